"""Starting and stopping: one supervisor, one controller, N workers; what dies is started again."""
