"""What a job asks of a provider that is known to lack it or not known to have it, and of Ray."""

from collections.abc import Iterator

from promptlathe.job.job import Job
from promptlathe.models.providers import Provider
from promptlathe.models.settings import ModelSettings
from promptlathe.space import Choice, SearchSpace

_FORM = "response_format"
_BY_SPACE, _BY_JUDGE, _BY_SETTINGS = "the space", "the judge", "the run file"


def lacking(job: Job) -> list[str]:
    """A note for each, once."""
    notes: list[str] = []
    for step, part in job.space.prompts.items():
        settings = job.step_models.get(step, job.model)
        notes += _notes(settings, tuple(part.model), _BY_SPACE if _asks(part) else "")
    if job.objective.may_judge:
        notes += _notes(job.judge or job.model, (), _BY_JUDGE)
    if job.operators:
        notes += _notes(job.writer, (), "")
    others = [job.judge, job.writer if job.operators else None]
    files = [one for one in (job.model, *job.step_models.values(), *others) if one and one.gguf]
    if files and job.parallel.engine == "ray":
        notes.append(f"{files[0].name} is served on this machine: Ray gets none of its calls")
    return list(dict.fromkeys(notes))


def _asks(space: SearchSpace) -> bool:
    """For an answer of some form."""
    choices = [one for one in space.components.values() if isinstance(one, Choice)]
    return any(level.response_format for one in choices for level in one.choice)


def _notes(settings: ModelSettings, varied: tuple[str, ...], asker: str) -> Iterator[str]:
    """varied: parameters of the space. asker: who wants a form; empty: nobody."""
    preset = settings.preset
    if preset is None or settings.api != "chat":
        return
    given = settings.parameters
    for name in preset.refused:
        if name != _FORM and (name in varied or name in given):
            yield f"{preset.title} takes no `{name}`: it is not sent"
    if asker or _FORM in given:
        yield from _of_form(preset, asker or _BY_SETTINGS)
    if preset.logprobs is None and given.get("logprobs"):
        yield f"it is not known whether {preset.title} gives logprobs"
    if (
        given.get("service_tier") == "flex"
        and not preset.flex
        and "service_tier" not in preset.refused
    ):
        known = "knows no" if preset.flex is False else "is not known to have"
        yield f"{preset.title} {known} `service_tier: flex`"


def _of_form(preset: Provider, asker: str) -> Iterator[str]:
    if preset.structured is False:
        yield (
            f"{preset.title} does not hold answers to a form (`{_FORM}`), which {asker} asks for: "
            "only its words say what is wanted"
        )
    elif preset.structured is None:
        yield (
            f"it is not known whether {preset.title} holds answers to a form (`{_FORM}`), which "
            f"{asker} asks for"
        )
