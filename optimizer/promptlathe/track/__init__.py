"""MLflow: runs, evaluation runs, the prompt registry, the UI. mlflow itself is not imported."""

from promptlathe.track.mlflow_tracker import MlflowTracker
from promptlathe.track.records import (
    About,
    Champion,
    Concluded,
    Conclusion,
    Dataset,
    RegisteredPrompt,
    Started,
    registered_names,
)
from promptlathe.track.store import (
    check_prompt_name,
    check_store,
    default_artifacts,
    default_uri,
)
from promptlathe.track.tracker import NoTracker, Tracker
from promptlathe.track.ui import serve_ui

__all__ = [
    "About",
    "Champion",
    "Concluded",
    "Conclusion",
    "Dataset",
    "MlflowTracker",
    "NoTracker",
    "RegisteredPrompt",
    "Started",
    "Tracker",
    "check_prompt_name",
    "check_store",
    "default_artifacts",
    "default_uri",
    "registered_names",
    "serve_ui",
]
