"""The sentence of every note, by its code."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from audit.types import Note

UNREADABLE = (
    "missing file", "forbidden path", "not readable", "not a regular file", "damaged data file", "empty file", "too large", "too small",
    "too elongated", "truncated", "damaged", "not an image", "format not accepted", "pixel format not accepted", "Git LFS pointer",
    "decoder crashed", "decoder took too long", "decoder took too much memory", "no box", "box without area", "box outside the picture",
)  # fmt: skip
"""Why images cannot be used (`strictio.images.decode.UnreadableImage`)."""
SENTENCES: Mapping[str, str] = MappingProxyType(
    {
        "text": "{text}",
        # ---- audits
        "near_ties": "'{measurement}': {share:.0%} of the decisions are near-ties; the model hardly tells these labels apart.",
        "not_scored": "'{measurement}': images that were not scored, because their true answer is unknown: {count:,}.",
        "no_untrained_control": "This kind of model has no untrained control: its architecture cannot be rebuilt here.",
        "few_shot_classes": "images of fewer than two classes could be learned from, or none was left to test on",
        # ---- data
        "repeated_rows": "Left out because an equal row stands before: {count:,}.",
        "repaired_values": "{column}: values damaged by a spreadsheet and repaired: {count:,} ({changes}).",
        "renamed_values": "{column}: values read under the stored name: {count:,} ({changes}).",
        "missing_values": "{column}: missing values: {count:,}; these rows form the group 'unknown', outside every test.",
        "level_like_missing": "{column}: {level} counts as a group; leave the cell empty where the value is not known.",
        "level_like_date": "{column}: {level} counts as a group; it looks like a date that a spreadsheet made of something else.",
        "near_duplicates": "{column}: {levels} differ only in case, blanks or Unicode form; they were kept apart.",
        "training_overlap": "{found} of {total} test pictures have a near duplicate among {training} of training; {unreadable} unreadable.",
        "joined_attributes": "{attributes} from {table} for {found} of {total} images, by {by}; rows about other images: {unused}.",
        "unused_columns": "Columns that were not used: {columns}.",
        "numbered_images": "Images are identified by row number: their names are missing or repeat.",
        "parquet_files": "Parquet files of the folder that were read: {count:,} ({files}).",
        "paths_from_above": "The paths in {table} are relative to the folder above it.",
        "image_column_alike": "The column {column} was taken for the one that names the images.",
        "label_table": "Labels were read from {table}.",
        "label_table_of_several": "Labels were read from {table}; also there, and not read: {others}.",
        "unknown_identifiers": "{count:,} of the {total:,} identifiers in {list} belong to no image of this data set.",
        "listed": "listed in {list}",
        "malformed_name": "file name without the labels",
        "withdrawn": "not in this version of the data: the people shown may have withdrawn them",
        "box_of_a_group": "box around a group of people",
        "weight_of_0": "weight of 0 in the column “{column}”",
        "limited": "LIMITED: {count:,} of {total:,} images were drawn at random (seed {seed}), in proportion to {attributes}.",
        "limited_sets": "LIMITED: {sets:,} whole sets were drawn at random (seed {seed}): {count:,} of {total:,} images.",
        **{reason.replace(" ", "_"): reason for reason in UNREADABLE},
        # ---- external predictions
        "binned": "{column}: numbers in groups, each with its lower edge: {levels}.",
        "attributes_by_rule": "Attributes by rule (columns of text with 2 to {levels} levels): {attributes}.",
        "attributes_by_rule_of_several": "Attributes by rule (columns of text with 2 to {levels} levels): {attributes}; "
        "not used: {others}.",
        "attributes_chosen": "Attributes by choice: {attributes}. Not compared, though the rule would: {others}.",
        "outcomes_chosen": "Outcomes by choice: {outcomes}.",
        "depth_chosen": "Intersections of up to {depth} attributes by choice; the rule has {default}.",
        "attributes_past_limit": "{count:,} more columns, from {first} on, were not read: by default, the first {limit} columns that can "
        "be attributes are compared. Name the columns to compare with --attributes race,gender.",
        "counted_parts": "Read in {parts:,} parts and counted as they were read, {rows:,} rows: no row was kept.",
        "counted_parts_of_several": "Read in {parts:,} parts and counted as they were read, {rows:,} rows: no row was kept. Columns that "
        "were not used: {columns}.",
        "unknown_rows": "{count:,} of the {total:,} identifiers in {list} belong to no row.",
        "no_model_loaded": "No model was loaded: the answers were read from {file}.",
        "claims_without_column": "Not asked of '{measurement}': claims by {attributes}, for which the file has no column.",
        "measurements_without_answers": "The probe's measurements without answers in the file: {measurements}.",
        "clusters_of_the_audit": "Rows of one {column} count as one sampling unit, as in the audit that wrote {file}.",
        "weights_of_the_audit": "Rows count by their weights in {column}, as in the audit that wrote {file}.",
        "not_the_highest_score": "Answers that are not the label with the highest score: {count:,}; the answers given were kept.",
        "truth_without_score": "Rows with a true answer that has no score, such as {label}: {count:,}; they are always wrong.",
        "rows_without_truth": "Rows without a true answer: {count:,}; left out where one is needed, counted where not.",
        "pairs_without_cluster": "Pairs of one {columns} count as one sampling unit, those of two as independent. If they are not "
        "(several show one person, say), --cluster names the column that tells.",
        "nearly_true": "‘{column}’ says what the true answer is, or follows from it, in all but {count:,} of {total:,} rows. These look "
        "like label errors and make no question: no rate of one true answer is compared by ‘{column}’. The rows: {rows}.",
        "copied": "‘{column}’ says the same as ‘{of}’ in every row: its questions are exploratory.",
        "nearly_copied": "‘{column}’ says the same as ‘{of}’ in all but {count:,} of {total:,} rows. These look like label errors, so the "
        "questions by ‘{column}’ are exploratory. The rows: {rows}.",
        "large_intersections": "Intersections of more than {groups} groups were not tested: {intersections}.",
        # ---- models
        "override": "Set with --model-args: {name} is {value}.",
        "adapter_ignored": "Adapter (LoRA) ignored: {where}. These are the answers of the base weights, not of the adapted model.",
        "pickled_weights": "The weights were read from pytorch_model.bin (a pickle) by a reader that runs nothing; safetensors is safer.",
        "foreign_class": "The file of weights names {name}, which was not looked up.",
        "big_vision_names": "Renamed from big_vision's names to those of Hugging Face's SiglipModel.",
        "guessed_siglip_layers": "Guessed: GELU by its tanh formula, and 1e-6 in layer norms, as in big_vision (set with --model-args).",
        "guessed_head_width": "Guessed: attention heads of the {tower} tower are {width} wide (--model-args {tower}_head_width=N).",
        "guessed_siglip_images": "Guessed: images are prepared as for SigLIP: {settings} (set with --model-args).",
        "plugin_unchecked": "The encoder is a plug-in: how it reads images and texts was not checked against anything.",
        "plugin_tried": "When the plug-in was loaded it was tried on two pictures and these texts: {texts}.",
        "guessed_cosine_scores": "Guessed: its scores are cosines. Its rows are not of length 1 ({shortest:.3g} to {longest:.3g} for the "
        "samples), and they are normalised; a model that scores otherwise would be another one.",
        "guessed_logit_scale": "Guessed: a logit scale of {scale:g}, CLIP's (set the attribute logit_scale of the class).",
        "guessed_family": "Guessed: the family '{family}' takes texts and images as transformers' zero-shot pipeline prepares them; "
        "no test covers it, and it was compared with the model's own scores on one image only.",
        "unused_attention_mask": "The tokenizer gives an attention mask, which SigLIP was trained without; it is not used.",
        "blip_contrastive_head": "BLIP's contrastive head (ITC) was audited, not the matching head (ITM), which gives no embeddings.",
        "guessed_no_temperature": "Guessed: a softmax over the cosines themselves, because the file holds no temperature: its "
        "probabilities are flat, and only the order of labels means anything.",
        "drift": "Measured with a shortcut ({shortcut}). Without it, {share:.1%} of {answers:,} answers about a sample of {images:,} "
        "images are others; embeddings move by {drift:.1%} of the spread between images (root mean square).",
        "drift_by_group": "Answers that the shortcut changes, by {attribute}: most for {most_group} ({most_share:.1%} of "
        "{most_answers:,}), least for {least_group} ({least_share:.1%} of {least_answers:,}).",
        "hub_tokenizer": "The tokenizer is that of {name} on the hub, at commit {commit}.",
        "hub_text_tower": "The text tower is built after the configuration of {name} on the hub, at commit {commit}.",
        "hub_weights": "The weights are {repository} on the hub (tag {tag}).",
        "guessed_images_as_published": "Guessed: images are prepared as for all {count} of open_clip's own weights of {architecture}: "
        "{settings} (set with --model-args).",
        "guessed_images_published_differ": "Guessed: images are prepared as OpenAI does, open_clip's default (its own weights of "
        "{architecture} differ in it): {settings} (set with --model-args).",
        "guessed_images_unpublished": "Guessed: images are prepared as OpenAI does, open_clip's default (it has no weights of "
        "{architecture}): {settings} (set with --model-args).",
        "template_with_date": "The chat template writes the date of the run: on another day it asks otherwise.",
        "image_read_once": "An image is read once for all questions, and image and question once for all options; checked against full "
        "forward passes when the model was loaded, within {tolerance:g} nats a token.",
        "question_read_once": "Image and question are read once for all options; checked against full forward passes when the model was "
        "loaded, within {tolerance:g} nats a token.",
        "cache_not_reused": "The cache of this class cannot be reused ({reasons}): every option was scored by a full forward pass, "
        "which is slower.",
        # ---- how a generative model is asked
        "asked_by_template": "Around the question, word for word (the image stands where its mark is, ⏎ ends a line): “{frame}”. The "
        "model's own chat template.",
        "asked_plainly": "Around the question, word for word (the image stands where its mark is, ⏎ ends a line): “{frame}”. The model has "
        "no chat template, so it was asked plainly, in words of this project.",
        "asked_decoder": "An encoder reads image and question; each option is scored as the answer of a decoder, begun with {start}.",
        "task_model": "This model was trained on tasks (captions, detection, reading), not on questions with options: which option it "
        "finds likeliest is a property of its weights, and it may not follow the instruction. What it writes about an image is its task.",
        "asked_instruction": "Instruction, word for word: {instructions}. ‘which’ is the default. “{{task}}” is “{describe}”, or "
        "“{complete}” where all prompts of a label set begin with the same words. The options follow, one a line; the prompts below show "
        "every question whole.",
        "asked_likelihood": "Nothing is generated: each option is scored by its likelihood after the question. Normalisation: the mean "
        "log-likelihood of the option's own tokens, the end of the answer not counted. The likeliest option is the answer. Scores are the "
        "softmax over the options; they are not calibrated probabilities.",
        "asked_order": "Order: as declared, ‘{unclear}’ last. Shuffled order: one permutation of the options for all images, drawn "
        "with seed {seed}, in which the first option is not first and the last not last; the measurements named “: order” say how often "
        "the answer stays the same, by group.",
        "asked_unclear": "Unclear: every question also offers ‘{unclear}’. Its rate by group is a pre-specified question of its own. Where "
        "there is a true answer, ‘{unclear}’ counts against accuracy.",
        "asked_letters": "Options stand under letters, and a letter is the answer. In the instruction stands instead: {replies}.",
        "asked_outcomes": "What may come in the place of an answer ({outcomes}) has a rate by group, a pre-specified question each, and "
        "counts against accuracy: ‘refusal’ where the model says that it will not answer (English phrases, or the server’s own word), "
        "‘unparsed’ where it wrote what is none of the options.",
        "asked_repeats": "Each question was put {count} times, word for word; the measurements named “: repeats” say how often all answers "
        "are the same, by group.",
        "asked_by_likelihood": "Mode likelihood: the server gives the log-likelihood of each option’s tokens after image and question, "
        "tried with two pictures before the first image. Nothing is generated.",
        "asked_by_letter": "Mode letter: the model answers with a letter, and the server lists its likely first tokens. A letter that is "
        "not listed has an upper bound, not 0: the probability of the least likely token that is listed, or what all listed ones leave.",
        "asked_by_schema": "Mode schema: the server holds the answer to one of the options (JSON schema). Nothing is known of the others: "
        "scores are 0 or 1.",
        "asked_by_text": "Mode text: the model writes, and its text, its first line or its first sentence must be one of the options. "
        "Nothing is known of the others: scores are 0 or 1.",
        "mode_not_served": "The mode {mode} was tried and is not served: {why}.",
        "no_temperature": "The server does not let itself be told a temperature: its answers may be drawn at random.",
        "sent": "{answers:,} answers about {images:,} images from {host}",
        "suite_cost": "suite {name}: {probes} probes, {images:,} images (embedded once), {prompts:,} prompts; {planned:,} pre-specified "
        "questions and {exploratory:,} exploratory comparisons, corrected together",
        "to_send": "up to {images:,} images, pixels alone, are sent to {host}, {where}",
        "asked_first_prompt": "Where a label has several prompts, only the first is its option: only embeddings can be averaged.",
        "asked_fewer_prompts": "{count} prompts were left out of the prompt curves: they need over {options} options, average several "
        "prompts, or are further templates of the kind that cost an encoder a line of text, and this model a pass over every image.",
        "asked_rows": "Where the data bring the question of each row, it stands in the place of the instruction, followed by “{reply}”; "
        "where they bring options only, the instruction stands before them. Fixed and shuffled order are those of each row's own options.",
        "not_asked_among_others": "'{measurement}' was left out: its options are those of all rows, more than a question can hold.",
        # ---- rankings and associations
        "asked_to_write": "It wrote a text about each image after each prompt: the most likely token each time (greedy decoding), nothing "
        "drawn; a folder of weights writes up to 64 tokens, and of a text 1,536 bytes are kept.",
        "asked_to_write_up_to": "It wrote a text about each image after each prompt: the most likely token each time (greedy decoding), "
        "nothing drawn; up to {tokens:,} tokens a text (--max-new-tokens), of which {bytes:,} bytes are kept.",
        "no_texts_written": "Left out, since they read what a generative model writes, and a dual encoder writes nothing: {questions}.",
        "no_embeddings": "Left out, since they read embeddings, and a generative model has none: {questions}.",
        "no_rankings": "The rankings and associations of the probe were left out: they are read off embeddings, and there are none.",
        "gallery_of_units": "images count by “{column}”, and shuffles of single images are not what chance gives then",
        "gallery_of_shares": "images count in several groups, each with its share, and a place in a ranking is one image's",
        "gallery_few_groups": "fewer than two groups have at least {images} images",
        "association_no_images": "no image of ‘{name}’ was read",
        "ranking_k": "the first {k} are half of the {images} images or more, which is hardly a search any more; choose a smaller k",
        "sets_few": "complete sets: {sets}; fewer than {needed} are shown and not judged",
        "sets_few_clusters": "independent units: {clusters}; fewer than {needed} are shown and not judged",
        "conditions_few_groups": "fewer than two groups have at least {images} images (or 15 independent units) that count",
        "conditions_of_weights": "images have weights, and changes count images: shown and not judged",
        "conditions_no_gradients": "not estimable: this model gives no gradients of its images, so it cannot be attacked",
        "conditions_one_source": "not estimable: no image says “{source}”, or none says anything else",
        "shift_of_weights": "not estimable: images have weights, and this counts images",
        "shift_of_units": "images come in clusters: shown with their intervals, and not judged",
        "shift_few_models": "not estimable: {models} other models are known that are neither always nor never right, and a line takes "
        "{fewest}",
        "shift_one_accuracy": "not estimable: the other models are all equally accurate in the standard condition",
        "shift_no_logit": "not estimable: an accuracy of 0 or 100\u00a0% has no logit",
        "conditions_sampled": "{images} of {total} images were changed: whole independent units, drawn by the seed",
        "conditions_unreadable": "{images} images could not be read under some condition and are left out of all",
        "sets_of_weights": "images count by “{column}”, and sets count once each",
        # ---- what-ifs
        "accuracy": "images whose {truth} is answered right",
        "recall": "recall: images of ‘{query}’ that are among the first {first:g} %",
        "images_found": "Images found for ‘{query}’ by {attribute}",
        "nothing": "nothing more than the model",
        "attribute_words": "prompts that name the attribute; nobody's group",
        "fitted_groups": "the {attribute} of the fitted half",
        "fitted_truth": "the true answer of the fit half",
        "group_of_each_person": "every person's group, whenever an answer is given: this may be unlawful",
        "group_of_each_image": "every image's group, whenever an order is given: this may be unlawful. Here it is the group that "
        "annotators saw, so this is a bound that no system reaches",
        "no_neutral_label": "the probe names no neutral label for this question",
        "no_combined_prompts": "the probe names no combined prompts for this question",
        "no_direction": "the probe names no prompts for this attribute",
        "no_same_meaning": "the probe names no pairs of prompts that should mean the same",
        "not_yes_or_no": "it is for questions with a true answer of yes or no",
        "too_few_images": "fewer than two groups have at least {images} images in both halves, so that no change could be judged",
        "too_few_clusters": "fewer than two groups have at least {images} images in effectively {clusters} clusters or more in both halves "
        "(a cluster: {cluster}), so that no change could be judged",
        # ---- comparisons: claims that cannot be paired
        "only_first": "{finding}: asked by the first audit only.",
        "counted_by_share": "{finding}: images count in several groups, each with its share; a comparison counts each image in one.",
        "unknown_metric": "{finding}: this program does not know the metric '{metric}'.",
        "selected_images": "{finding}: counted over the images that a model selects, and two models select different images.",
        "equal_true_shares": "{finding}: its truth is known, so a comparison is of the true and false positive rates.",
        "no_clusters": "{finding}: the images come in clusters, and the predictions do not say in which (audit again).",
        "unknown_clusters": "{finding}: some images have no known cluster.",
        # ---- comparisons: what differs between the audits
        "does_not_look": "We found no evidence that {name} uses the images ({measurements}): there, a change between it and another model "
        "says nothing about groups.",
        "probe_without_answers": "The probe '{probe}' has analyses alone, which are not compared between models.",
        "probe_of_some": "Only some of the models were asked the probe '{probe}'; it is not compared.",
        "other_setting": "The audit of {name} has another {setting}; this comparison uses its own.",
        "other_environment": "{name} ran with another {part} than {first}.",
        "same_model": "Two sides are the same model, read the same way.",
        "other_table": "{first} and {second} read different label tables of '{data}'; images are matched by identifier, and their labels "
        "agree.",
        "other_table_by_place": "{first} and {second} read different label tables of '{data}'; images are matched by place in the file, "
        "and their labels agree.",
        "other_units": "The audit of {first} treats {first_cluster} as independent, that of {second} {second_cluster}; here {cluster} "
        "count as one.",
        "weights_not_compared": "The audit of {name} weights its rates by the column “{column}”; a comparison counts every image "
        "once, so its rates differ from those of the audit.",
        "models_not_paired": "The models of this run could not be compared with each other: {why}.",
        "measurement_of_some": "The measurement '{measurement}' is missing from an audit; it is not compared.",
        "more_questions": "{name} was also asked {questions}, which the first was not.",
        # ---- gates
        "not_asked": "Not asked by this audit.",
        "no_primary": "This audit has no primary question.",
        "side_not_estimable": "The question cannot be estimated in the audit of {names}.",
        "mean_not_estimable": "The question cannot be estimated in every replicate.",
        "ratio_of_shares": "A ratio is not bounded where rates are compared at equal true shares.",
        "ratio_of_clusters": "A ratio is not bounded where images come in clusters.",
        "unresponsive": "We found no evidence that the answers depend on the images.",
        "ratio_of_weights": "A ratio is not bounded where images have weights.",
        "ratio_without_events": "A ratio cannot be bounded: a group has no event.",
    }
)


_NAMED = 60
"""The most items of a list that a sentence names."""


def sentence(note: Note | str) -> str:
    """Return the sentence of a note; for a code that this version does not know, the code and its values.

    Examples
    --------
    >>> sentence(Note("recall", {"query": "nurse", "first": 10}))
    'recall: images of ‘nurse’ that are among the first 10 %'
    """
    if isinstance(note, str):
        return note
    try:
        return SENTENCES[note.code].format(**{name: _in_words(name, value) for name, value in note.values.items()})
    except (LookupError, ValueError, TypeError):
        return str(note)


def _in_words(name: str, value: object) -> object:
    if name.endswith("cluster"):
        return f"all images of one '{value}'" if value else "each image"
    if not isinstance(value, tuple):
        return value
    more = f" and {len(value) - _NAMED:,} more" if len(value) > _NAMED else ""
    return ", ".join(map(str, value[:_NAMED])) + more
