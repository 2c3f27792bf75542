"""What holds for every encoder that can be attacked: the loss rises, no pixel goes too far, and the model stays as it was."""

import numpy as np

from audit.measure.zero_shot import cosine_scores


def loss(encoder, rows, texts, right):
    """Return the mean cross-entropy of cosines times 100."""
    scores = 100 * cosine_scores(rows, texts)
    top = scores.max(axis=1, keepdims=True)
    log_sum = top[:, 0] + np.log(np.exp(scores - top).sum(axis=1))
    return float((log_sum - scores[np.arange(len(right)), right]).mean())


def assert_is_attacked(encoder, images, prompts):
    """Attack every image away from its own best prompt, with FGSM and with PGD."""
    texts, clean = encoder.encode_texts(prompts), encoder.encode_images(images)
    right = cosine_scores(clean, texts).argmax(axis=1).tolist()
    np.testing.assert_allclose(encoder.attacked(images, texts, right, 0.0, 1), clean, atol=1e-4, rtol=1e-3)
    start, fgsm, pgd, far = (
        loss(encoder, encoder.attacked(images, texts, right, budget, steps), texts, right)
        for budget, steps in ((0.0, 1), (0.5, 1), (0.5, 10), (4.0, 10))
    )
    assert start < fgsm
    assert start < pgd < far
    model = encoder._model
    assert all(weight.grad is None for weight in model.parameters())
    assert not getattr(model, "training", False)


def pixels_seen(monkeypatch, owner, name, mean, std, *, keyword):
    """Return a list that fills with the pixels in levels of 255 which a method of a model is given."""
    seen, method = [], getattr(owner, name)

    def watched(*args, **kwargs):
        given = (kwargs["pixel_values"] if keyword else args[0]).detach().double().cpu().numpy()
        seen.append(255 * (given * np.reshape(std, (1, 3, 1, 1)) + np.reshape(mean, (1, 3, 1, 1))))
        return method(*args, **kwargs)

    monkeypatch.setattr(owner, name, watched)
    return seen


def assert_within(seen, budget):
    """The first pixels are the pictures' own; no later ones are further from them than the budget, or out of range."""
    assert np.abs(seen[0] - np.round(seen[0])).max() < 0.02
    moved = max(np.abs(each - seen[0]).max() for each in seen)
    assert budget - 0.02 < moved < budget + 0.02
    assert min(each.min() for each in seen) > -0.02
    assert max(each.max() for each in seen) < 255.02
