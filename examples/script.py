"""A plain script: enqueue some jobs, run them, look at what they returned.

    python examples/script.py

The jobs live in memory, so they end with the script. With a file instead, ``Headrace("sqlite:///jobs.db")``, a script
that was interrupted finds its jobs again.
"""

from headrace import Headrace

app = Headrace("memory:")


@app.task
def count_words(text: str) -> int:
    return len(text.split())


def main() -> None:
    texts = ["to be or not to be", "that is the question"]
    with app:
        receipts = app.enqueue_many([count_words.call(text) for text in texts])
        app.run(until_idle=True)
        for text, receipt in zip(texts, receipts, strict=True):
            print(app.result(receipt), "words:", text)


if __name__ == "__main__":
    main()
