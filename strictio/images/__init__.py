"""Untrusted encoded images -> RGB, within limits.

::

    files, lazy -> decoders -> worker -> decode -> structure, jpeg      for the audit: processes of their own, each conversion named
    in_process  -> structure                                             for training: in the training process
"""
