"""By which endings a file's name says that it is a video. Standard library only."""

VIDEOS = {".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".wmv", ".ts", ".mts", ".m2ts",
          ".flv", ".3gp"}  # fmt: skip
