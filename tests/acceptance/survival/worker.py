"""One worker process without a supervisor: ``python -m survival.worker``."""

from survival.app import app

if __name__ == "__main__":
    app.run({"default": 4})
