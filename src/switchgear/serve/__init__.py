"""Starting and stopping: one supervisor, one controller, N workers; what dies is started again."""

from switchgear.serve.start import StartError
from switchgear.serve.supervisor import serve

__all__ = ["StartError", "serve"]
