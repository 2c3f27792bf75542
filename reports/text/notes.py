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
        "near_ties": "'{measurement}': {share:.0%} of the decisions are near-ties; the model hardly distinguishes these labels.",
        "not_in_gallery": "'{measurement}': images that are not ranked, because no query is about them, their group is unknown or their "
        "gallery is too small: {count:,}.",
        "not_scored": "'{measurement}': images that were not scored, because their true answer is unknown: {count:,}.",
        "no_untrained_control": "This kind of model has no untrained control: its architecture cannot be rebuilt here.",
        "few_shot_classes": "there are training images of fewer than two classes, or no images are left for testing",
        # ---- data
        "repeated_rows": "Left out as duplicates of an earlier row: {count:,}.",
        "repaired_values": "{column}: values damaged by a spreadsheet and repaired: {count:,} ({changes}).",
        "renamed_values": "{column}: values read under the stored name: {count:,} ({changes}).",
        "missing_values": "{column}: missing values: {count:,}; these rows form the group 'unknown', which is not tested.",
        "level_like_missing": "{column}: {level} counts as a group; leave the cell empty where the value is not known.",
        "level_like_date": "{column}: {level} counts as a group; it looks like a value that a spreadsheet turned into a date.",
        "near_duplicates": "{column}: {levels} differ only in case, spaces or Unicode form; they are treated as different.",
        "training_overlap": "{found} of {total} test images have a near-duplicate among {training} training images; {unreadable} "
        "unreadable.",
        "joined_attributes": "{attributes} from {table} for {found} of {total} images, by {by}; rows about other images: {unused}.",
        "unused_columns": "Columns that were not used: {columns}.",
        "numbered_images": "Images are identified by row number: their names are missing or repeat.",
        "parquet_files": "Parquet files of the folder that were read: {count:,} ({files}).",
        "paths_from_above": "The paths in {table} are relative to the folder above it.",
        "image_column_alike": "The column {column} was assumed to name the images.",
        "columns_alike": "Columns whose names were assumed: {columns}.",
        "splits": "Splits read, with their rows: {read}.",
        "splits_left_out": "Splits read, with their rows: {read}; also present, but not read: {others}.",
        "label_table": "Labels were read from {table}.",
        "label_table_of_several": "Labels were read from {table}; also present, but not read: {others}.",
        "unknown_identifiers": "{count:,} of the {total:,} identifiers in {list} belong to no image of this data set.",
        "stated_bias": "Known bias, as stated in {file}: {text}",
        "stated_limitation": "Known limitation, as stated in {file}: {text}",
        "stated_personal_information": "Personal information, as stated in {file}: {text}",
        "listed": "listed in {list}",
        "malformed_name": "file name without the labels",
        "withdrawn": "not in this version of the data: the people shown may have withdrawn them",
        "box_of_a_group": "box around a group of people",
        "box_of_a_depiction": "box around a drawing, a statue or another depiction of a person",
        "weight_of_0": "weight of 0 in the column “{column}”",
        "limited": "LIMITED: {count:,} of {total:,} images were drawn at random (seed {seed}), in proportion to {attributes}.",
        "limited_sets": "LIMITED: {sets:,} whole sets were drawn at random (seed {seed}): {count:,} of {total:,} images.",
        **{reason.replace(" ", "_"): reason for reason in UNREADABLE},
        # ---- external predictions
        "binned": "{column}: numbers in groups, each with its lower edge: {levels}.",
        "attributes_by_rule": "Default attributes (text columns with 2 to {levels} levels): {attributes}.",
        "attributes_by_rule_of_several": "Default attributes (text columns with 2 to {levels} levels): {attributes}; not used: {others}.",
        "attributes_chosen": "Chosen attributes: {attributes}. Not compared, although they would be by default: {others}.",
        "attributes_of_probe_chosen": "Chosen attributes: {attributes}; the probe's questions are asked by no others.",
        "cluster_chosen": "Chosen clusters: images with the same {column} count as one sampling unit.",
        "weights_chosen": "Chosen weights: each image counts in a rate by its {column}.",
        "outcomes_chosen": "Chosen outcomes: {outcomes}.",
        "depth_chosen": "Intersections of up to {depth} attributes were chosen; the default is {default}.",
        "made_from_answers": "‘{column}’ {how}: it may have been made from the answers, and differences by it may then "
        "be true by construction.",
        "single_numbers": "Every number in ‘{column}’ is a group of its own: {count:,} of them. To compare ranges of numbers, divide "
        "them into groups, as in --bins {column}=4 (from Python, bins=).",
        "levels_not_compared": "Groups are not compared by {columns}: this probe compares by columns with 2 to {most} levels.",
        "attributes_past_limit": "{count:,} more columns, from {first} on, were not read: by default, the first {limit} columns that can "
        "be attributes are compared. Name the columns to compare with --attributes race,gender.",
        "counted_parts": "{rows:,} rows were read in {parts:,} parts and only counted: no row was stored.",
        "counted_parts_of_several": "{rows:,} rows were read in {parts:,} parts and only counted: no row was stored. Columns that were "
        "not used: {columns}.",
        "log_read": "Read from a log of {tool}: {facts}.",
        "log_without_answer": "Of {total:,} rows, {errors:,} ended in an error, {limits:,} reached a limit and {silent:,} have no answer "
        "that the tool could read. These are outcomes of their own: “(error)”, “(limit)” and “(no answer)”.",
        "log_epochs": "The log holds {rows:,} answers about {samples:,} samples: the epochs of one sample count as one sampling unit.",
        "log_unfinished": "The run did not finish (status: {status}): {found:,} of {total:,} answers are in the log. Which samples a run "
        "reaches before it stops is not random.",
        "log_limited": "LIMITED: the log holds {found:,} of the {total:,} samples of its data set, chosen by {by}, and nothing shows that "
        "they were chosen at random.",
        "log_chosen_samples": "The log holds {found:,} of the {total:,} samples of its data set, chosen by {by}; they are judged as they "
        "are (--chosen-samples).",
        "log_total": "{tool} itself states: {totals}. Here {right:,} of {rows:,} rows are right ({own}): an error, a limit, no answer or "
        "a partial score is not right, and every epoch that was read counts.",
        "log_respelled": "Answers that the tool accepted in another spelling than the target's: {count:,}; they count as the target.",
        "unknown_rows": "{count:,} of the {total:,} identifiers in {list} belong to no row.",
        "no_model_loaded": "No model was loaded: the answers were read from {file}.",
        "claims_without_column": "Not tested for '{measurement}': differences by {attributes}, for which the file has no column.",
        "measurements_without_answers": "The probe's measurements without answers in the file: {measurements}.",
        "undeclared_units": "Rows may belong together, so no question has a verdict. Columns that repeat as those of images or people do: "
        "{columns} ({values} values in {rows:,} rows). Name the one whose rows belong together with --cluster, or declare the rows "
        "independent with --independent (from Python, cluster= or independent=True).",
        "declared_independent": "Rows were declared independent with --independent, although a column repeats as those of images or people "
        "do: {columns} ({values} values in {rows:,} rows).",
        "clusters_of_the_audit": "Rows of one {column} count as one sampling unit, as in the audit that wrote {file}.",
        "weights_of_the_audit": "Rows count by their weights in {column}, as in the audit that wrote {file}.",
        "answers_of_a_score": "No column has answers: ‘{label}’ is the answer where its score is above {threshold:g}, and ‘{other}’ "
        "everywhere else. Rates of answers hold for this threshold alone.",
        "not_the_highest_score": "Answers that are not the label with the highest score: {count:,}; the answers given were kept.",
        "truth_without_score": "Rows with a true answer that has no score, such as {label}: {count:,}; they are always wrong.",
        "equal_rows": "{count:,} of {total:,} rows are equal to an earlier row in every column. Without a column of identifiers, copies of "
        "a row cannot be told from other images with the same answers.",
        "equal_rows_by_group": "{found:,} of the {of:,} rows with {attribute} {level} are equal to an earlier row in every column "
        "({count:,} of {total:,} rows in all). Without a column of identifiers, copies of a row cannot be told from other images with the "
        "same answers.",
        "rows_without_truth": "Rows without a true answer: {count:,}; left out where one is needed, counted elsewhere.",
        "pairs_without_cluster": "Pairs with the same {columns} count as one sampling unit, others as independent. If they are not "
        "(if several show the same person, say), name the column of the sampling units with --cluster.",
        "nearly_true": "‘{column}’ determines the true answer, or follows from it, in all but {count:,} of {total:,} rows. These look like "
        "label errors and give no questions: no rate of one true answer is compared by ‘{column}’. The rows: {rows}.",
        "judged_again": "‘{column}’ contradicts the true answer in {count:,} of {total:,} rows: it may be a second judgement of the same "
        "thing. Where the two differ, the true answer may be the wrong one, so error rates by ‘{column}’ are exploratory.",
        "copied": "‘{column}’ is equivalent to ‘{of}’ in every row: its questions are exploratory.",
        "nearly_copied": "‘{column}’ is equivalent to ‘{of}’ in all but {count:,} of {total:,} rows. These look like label errors, so the "
        "questions by ‘{column}’ are exploratory. The rows: {rows}.",
        "classes_not_compared": "The recall of each class was not compared, because there are {classes:,} (at most {most}): a gap in one "
        "of them may be lost in the accuracy of all.",
        "large_intersections": "Intersections of more than {groups} groups were not tested: {intersections}.",
        # ---- models
        "override": "Set with --model-args: {name} is {value}.",
        "adapter_ignored": "Adapter (LoRA) ignored: {where}. These are the answers of the base weights, not of the adapted model.",
        "pickled_weights": "The weights were read from pytorch_model.bin (a pickle) by a reader that executes nothing; safetensors is "
        "safer.",
        "foreign_class": "The file of weights names {name}, which was not looked up.",
        "plugin_unchecked": "The encoder is a plug-in: how it reads images and texts could not be verified.",
        "plugin_tried": "When the plug-in was loaded, it was tested with two images and these texts: {texts}.",
        "plugin_classifier_unchecked": "The classifier is a plug-in: how it reads images could not be verified.",
        # ---- image classifiers
        "labels_told_apart": "Labels with equal names, which are distinguished by their positions: {count:,} ({labels}).",
        "labels_unnamed": "Guessed: the configuration does not name its {count} labels; LABEL_0 is the first.",
        "single_label": "The classifier has one label with a probability of its own; ‘{other}’ has the rest, so ‘{label}’ is given "
        "from 50 % on.",
        "onnx_scores": "The output of the ONNX graph was read as: {scores} (softmax and sigmoid: logits; probabilities: they sum to 1; "
        "independent: each label has its own).",
        "classifier_no_label": "'{measurement}' was left out: no label of the classifier means one of its answers ({answers}). {close}",
        "classifier_one_answer": "'{measurement}' was left out: all labels that it can use mean one answer, ‘{answer}’.",
        "classifier_reads_no_query": "'{measurement}' was left out: its queries are texts, and an image classifier reads none.",
        "classifier_reads_no_text": "'{measurement}' was left out: every image has options of its own, which are texts, and an image "
        "classifier reads none.",
        "classifier_asked_already": "'{measurement}' was left out: it asks an earlier question again, with other prompts, and an image "
        "classifier reads none.",
        "classifier_labels_left_out": "'{measurement}': {count:,} of {of:,} labels mean none of its answers ({labels}). They were left "
        "out: the answer is the most probable of the other labels, and probabilities are among these.",
        "classifier_answers_without_label": "'{measurement}': no label means {answers}, according to the label map. The classifier cannot "
        "give these answers; images for which they are right count as wrong.",
        "classifier_outcomes_left_out": "'{measurement}': these outcomes were left out, because no label means one of their answers, or "
        "every label does: {outcomes}.",
        "classifier_reads_no_texts": "Left out, because they need texts or embeddings, and an image classifier has neither: {questions}.",
        "classifier_queries_left_out": "Queries of rankings that no label stands for were left out: {count:,}, such as {some}.",
        "guessed_cosine_scores": "Guessed: its scores are cosines. Its rows are not of length 1 ({shortest:.3g} to {longest:.3g} for the "
        "samples), and they are normalised; this would be wrong for a model that scores differently.",
        "guessed_logit_scale": "Guessed: a logit scale of {scale:g}, CLIP's (set the attribute logit_scale of the class).",
        "guessed_family": "Guessed: the family '{family}' takes texts and images as transformers' zero-shot pipeline prepares them; "
        "no test covers it, and it was compared with the model's own scores on one image only.",
        "settings_ignored": "Settings of config.json that no code of the model's family reads were left out: {count:,} ({settings}).",
        "unused_attention_mask": "The tokenizer gives an attention mask, which SigLIP was trained without; it is not used.",
        "blip_contrastive_head": "BLIP's contrastive head (ITC) was audited, not the matching head (ITM), which gives no embeddings.",
        "guessed_no_temperature": "Guessed: a softmax over the cosines themselves, because the file holds no temperature: its "
        "probabilities are flat, and only the order of labels means anything.",
        "drift": "Measured with a shortcut ({shortcut}). Without it, {share:.1%} of {answers:,} answers about a sample of {images:,} "
        "images differ; embeddings move by {drift:.1%} of the spread between images (root mean square).",
        "drift_by_group": "Answers that the shortcut changes, by {attribute}: most for {most_group} ({most_share:.1%} of "
        "{most_answers:,}), least for {least_group} ({least_share:.1%} of {least_answers:,}).",
        "quick_gelu_not_folded": "QuickGELU of the {tower} tower was computed as written, not by the faster equivalent formula: on the "
        "first batch, the two embeddings (of length 1) differ by {difference:.1e}, more than rounding explains.",
        "hub_tokenizer": "The tokenizer is that of {name} on the hub, at commit {commit}.",
        "hub_text_tower": "The text tower is built from the configuration of {name} on the hub, at commit {commit}.",
        "hub_weights": "The weights are {repository} on the hub (tag {tag}).",
        "guessed_images_as_published": "Guessed: images are prepared as for all {count} of open_clip's own weights of {architecture}: "
        "{settings} (set with --model-args).",
        "guessed_images_published_differ": "Guessed: images are prepared as OpenAI does, open_clip's default (its own weights of "
        "{architecture} differ in it): {settings} (set with --model-args).",
        "guessed_images_unpublished": "Guessed: images are prepared as OpenAI does, open_clip's default (it has no weights of "
        "{architecture}): {settings} (set with --model-args).",
        "template_with_date": "The chat template contains the date of the run: on another day, the prompts differ.",
        "image_read_once": "Each image is processed once for all questions, and image and question once for all options; checked against "
        "full forward passes when the model was loaded, within {tolerance:g} nats per token.",
        "question_read_once": "Image and question are processed once for all options; checked against full forward passes when the model "
        "was loaded, within {tolerance:g} nats per token.",
        "cache_not_reused": "The cache of this class cannot be reused ({reasons}): every option was scored by a full forward pass, "
        "which is slower.",
        # ---- how a generative model is asked
        "asked_by_template": "Text around the question, word for word (the image is at its placeholder, ⏎ is a line break): “{frame}”. "
        "This is the model's own chat template.",
        "asked_plainly": "Text around the question, word for word (the image is at its placeholder, ⏎ is a line break): “{frame}”. The "
        "model has no chat template, so a plain prompt of this project was used.",
        "asked_decoder": "An encoder reads image and question; each option is scored as the answer of a decoder, starting with {start}.",
        "task_model": "This model was trained on tasks (captions, detection, reading), not on questions with options: which option it "
        "finds most likely is a property of its weights, and it may not follow the instruction. Writing about an image is its task.",
        "asked_instruction": "Instruction, word for word: {instructions}. ‘which’ is the default. “{{task}}” is “{describe}”, or "
        "“{complete}” where all prompts of a label set begin with the same words. The options follow, one per line; the prompts below show "
        "every question in full.",
        "asked_likelihood": "Nothing is generated: each option is scored by its likelihood after the question. Normalisation: the mean "
        "log-likelihood of the option's own tokens, without the end of the answer. The most likely option is the answer. Scores are the "
        "softmax over the options; they are not calibrated probabilities.",
        "asked_order": "Order: as declared, ‘{unclear}’ last. Shuffled order: one permutation of the options for all images, drawn "
        "with seed {seed}, in which the first option is not first and the last not last; the measurements named “: order” say how often "
        "the answer stays the same, by group.",
        "asked_unclear": "Unclear: every question also offers ‘{unclear}’. Its rate by group is a planned question of its own. Where "
        "there is a true answer, ‘{unclear}’ counts against accuracy.",
        "asked_letters": "Options are listed with letters, and the answer is a letter. The instruction says instead: {replies}.",
        "asked_outcomes": "What may come instead of an answer ({outcomes}) has a rate by group, each a planned question, and counts "
        "against accuracy: ‘refusal’ if the model says that it will not answer (English phrases, or the server’s own flag), ‘unparsed’ if "
        "what it wrote is not one of the options.",
        "asked_repeats": "Each question was asked {count} times, word for word; the measurements named “: repeats” say how often all "
        "answers are the same, by group.",
        "asked_by_likelihood": "Mode likelihood: the server gives the log-likelihood of each option’s tokens after image and question, "
        "tested with two other images before the first one. Nothing is generated.",
        "asked_by_letter": "Mode letter: the model answers with a letter, and the server lists its likely first tokens. A letter that is "
        "not listed has an upper bound, not 0: the probability of the least likely token that is listed, or what the listed ones leave.",
        "asked_by_schema": "Mode schema: the server restricts the answer to one of the options (JSON schema). Nothing is known about the "
        "others: scores are 0 or 1.",
        "asked_by_text": "Mode text: the model writes, and its text, its first line or its first sentence must be one of the options. "
        "Nothing is known about the others: scores are 0 or 1.",
        "mode_not_served": "The mode {mode} was tried and is not supported by the server: {why}.",
        "no_temperature": "The server does not accept a temperature: its answers may be sampled at random.",
        "sent": "{answers:,} answers about {images:,} images from {host}",
        "embedded_there": "{answers:,} texts embedded by {host}",
        "suite_cost": "suite {name}: {probes} probes, {images:,} images (embedded once), {prompts:,} prompts; {planned:,} planned "
        "questions and {exploratory:,} exploratory comparisons, corrected together",
        "to_send": "up to {images:,} images, only pixels, are sent to {host}, {where}",
        "asked_first_prompt": "If a label has several prompts, only the first is used as its option: only embeddings can be averaged.",
        "asked_fewer_prompts": "{count} prompts were left out of the prompt curves: they need over {options} options, average several "
        "prompts, or are additional templates, each of which costs an encoder one text, but this model a pass over all images.",
        "asked_rows": "If the data contain a question for each row, it replaces the instruction, followed by “{reply}”; if they contain "
        "only options, the instruction precedes them. Fixed and shuffled order are those of each row's own options.",
        "not_asked_retrieved": "'{measurement}' was left out: it ranks images by embeddings, which a generative model does not have.",
        "not_asked_among_others": "'{measurement}' was left out: its options are those of all rows, too many for one question.",
        # ---- rankings and associations
        "asked_to_write": "It wrote a text about each image after each prompt, always with the most likely token (greedy decoding, no "
        "sampling); a model from a folder writes up to 64 tokens, and 1,536 bytes of a text are kept.",
        "asked_to_write_up_to": "It wrote a text about each image after each prompt, always with the most likely token (greedy decoding, "
        "no sampling); up to {tokens:,} tokens per text (--max-new-tokens), of which {bytes:,} bytes are kept.",
        "no_texts_written": "Left out, because they need texts that a generative model writes, and a dual encoder writes none: "
        "{questions}.",
        "no_embeddings": "Left out, because they need embeddings, and a generative model has none: {questions}.",
        "no_rankings": "The rankings and associations of the probe were left out, because they need embeddings.",
        "gallery_of_units": "images count by “{column}”, so shuffling single images would not show what is expected by chance",
        "gallery_of_shares": "images count in several groups in proportion, but a rank belongs to one image",
        "gallery_few_groups": "fewer than two groups have at least {images} images",
        "association_no_images": "no image of ‘{name}’ was read",
        "ranking_k": "the first {k} are half of the {images} images or more, which is hardly a search; choose a smaller k",
        "ranking_galleries": "no query has a gallery of more than {k} images that shows two of the groups",
        "sets_few": "complete sets: {sets}; fewer than {needed} are shown and not judged",
        "sets_few_clusters": "independent units: {clusters}; fewer than {needed} are shown and not judged",
        "conditions_few_groups": "fewer than two groups have at least {images} images (or 15 independent units) that count",
        "conditions_of_weights": "images have weights, and changes count images: shown and not judged",
        "conditions_no_gradients": "not estimable: this model gives no gradients of its images, so it cannot be attacked",
        "conditions_one_source": "not estimable: no image says “{source}”, or none says anything else",
        "shift_of_weights": "not estimable: images have weights, and this counts images",
        "shift_of_units": "images come in clusters: shown with their intervals, and not judged",
        "shift_few_models": "not estimable: {models} other models with an accuracy between 0 and 100\u00a0% are known, and a line needs "
        "{fewest}",
        "shift_one_accuracy": "not estimable: the other models are all equally accurate in the standard condition",
        "shift_no_logit": "not estimable: an accuracy of 0 or 100\u00a0% has no logit",
        "conditions_sampled": "{images} of {total} images were changed: whole independent units, chosen at random by the seed",
        "conditions_imagenet_c": "Corruptions have the published parameters of ImageNet-C (Hendrycks and Dietterich 2019), on whole images "
        "with a shorter side of 224 pixels. Frost is procedural: the photographs that the published one blends may not be distributed",
        "conditions_unreadable": "{images} images could not be read under some condition and are left out everywhere",
        "sets_of_weights": "images count by “{column}”, but every set counts once",
        # ---- what-ifs
        "accuracy": "images whose {truth} is answered right",
        "recall": "recall: images of ‘{query}’ that are among the first {first:g} %",
        "images_found": "Images found for ‘{query}’ by {attribute}",
        "nothing": "nothing more than the model",
        "attribute_words": "prompts that name the attribute, but no one's group",
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
        "rows_of_units": "{finding}: rows may belong together, and an audit was not told which (audit again with --cluster or "
        "--independent).",
        "unknown_clusters": "{finding}: some images have no known cluster.",
        # ---- comparisons: what differs between the audits
        "does_not_look": "We found no evidence that {name} uses the images ({measurements}): there, a change between it and another model "
        "says nothing about groups.",
        "probe_without_answers": "The probe '{probe}' has only analyses, which are not compared between models.",
        "probe_of_some": "Only some of the models were audited with the probe '{probe}'; it is not compared.",
        "other_setting": "The audit of {name} has another {setting}; this comparison uses its own.",
        "other_environment": "{name} ran with another {part} than {first}.",
        "same_model": "Two sides are the same model, read the same way.",
        "other_table": "{first} and {second} read different label tables of '{data}'; images are matched by identifier, and their labels "
        "agree.",
        "other_table_by_place": "{first} and {second} read different label tables of '{data}'; images are matched by position in the file, "
        "and their labels agree.",
        "other_units": "The audit of {first} treats {first_cluster} as independent, that of {second} {second_cluster}; here {cluster} "
        "count as one.",
        "weights_not_compared": "The audit of {name} weights its rates by the column “{column}”; a comparison counts every image "
        "once, so its rates differ from those of the audit.",
        "models_not_paired": "Not compared: {why}.",
        "measurement_of_some": "The measurement '{measurement}' is missing from an audit; it is not compared.",
        "more_questions": "{name} was also asked {questions}, which the first was not.",
        # ---- gates
        "not_asked": "Not asked by this audit.",
        "deviates_from_lock": "The question deviates from the plan lock, or was not asked: the gate decides nothing, and the command exits "
        "with 1.",
        "several_deviate_from_lock": "{questions:,} questions deviate from the plan lock, or were not asked: the gate decides nothing, and "
        "the command exits with 1.",
        "gate_not_locked": "The gate is not in the plan lock: it decides nothing, and the command exits with 1.",
        "no_primary": "This audit has no primary question.",
        "side_not_estimable": "The question cannot be estimated in the audit of {names}.",
        "mean_not_estimable": "The question cannot be estimated in every replicate.",
        "rows_together": "Rows may belong together, and neither --cluster nor --independent was given.",
        "ratio_of_shares": "A ratio is not bounded where rates are compared at equal true shares.",
        "ratio_of_clusters": "A ratio is not bounded where images come in clusters.",
        "unresponsive": "We found no evidence that the answers depend on the images.",
        "ratio_of_weights": "A ratio is not bounded where images have weights.",
        "ratio_without_events": "A ratio cannot be bounded: a group has no event.",
    }
)


_NAMED = 60
"""The most items of a list that a sentence names."""


def sentence(note: Note | str, own: Mapping[str, str] = MappingProxyType({})) -> str:
    """Return the sentence of a note; for a code that this version does not know, the code and its values.

    `own` are an extension's sentences by code: they come first.

    Examples
    --------
    >>> sentence(Note("recall", {"query": "nurse", "first": 10}))
    'recall: images of ‘nurse’ that are among the first 10 %'
    """
    if isinstance(note, str):
        return note
    try:
        text = own[note.code] if note.code in own else SENTENCES[note.code]
        return text.format(**{name: _in_words(name, value) for name, value in note.values.items()})
    except (LookupError, ValueError, TypeError):
        return str(note)


def _in_words(name: str, value: object) -> object:
    if name.endswith("cluster"):
        return f"all images of one '{value}'" if value else "each image"
    if not isinstance(value, tuple):
        return value
    more = f" and {len(value) - _NAMED:,} more" if len(value) > _NAMED else ""
    return ", ".join(map(str, value[:_NAMED])) + more
