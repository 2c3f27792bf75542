"""A task for Inspect: one question about two sets of images. The audit says whether the sets are answered equally well.

inspect eval inspect_task.py --model MODEL -T first=photos/women -T second=photos/men -T question="Is this person a doctor?" -T answer=yes
"""

from pathlib import Path

from inspect_ai import Task, task
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.model import ChatMessageUser, ContentImage, ContentText
from inspect_ai.scorer import match
from inspect_ai.solver import generate

SUFFIXES = {".png", ".jpg", ".jpeg", ".webp"}


@task
def two_image_sets(first: str, second: str, question: str, answer: str = "yes") -> Task:
    """Ask one question about each image of two folders; `answer` is right for all of them."""
    samples = []
    for folder in map(Path, (first, second)):
        for path in sorted(file for file in folder.iterdir() if file.suffix.lower() in SUFFIXES):
            content = [ContentText(text=f"{question} Reply yes or no."), ContentImage(image=str(path))]
            name, group = f"{folder.name}/{path.name}", {"set": folder.name}
            samples.append(Sample(id=name, input=[ChatMessageUser(content=content)], target=answer, metadata=group))
    return Task(dataset=MemoryDataset(samples), solver=generate(), scorer=match(location="begin"))
