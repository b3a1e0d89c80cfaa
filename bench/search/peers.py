"""The peers of `bench search`: DSPy's and GEPA's optimizers on one task, through an OpenAI-compatible server that counts.

Run by ../search.ts as `peers.py SYSTEM` with the task as JSON on standard input. Each prompt that a peer holds to be its
best is a line of JSON on standard output, with the calls it had made by then; its own talk goes to standard error.

What a peer is given, so that it can show what it can do with a model of 135M parameters: a plain chat format (system
prompt, demos as turns, the question; the whole reply is the answer), also for the prompts by which DSPy's optimizers ask
the model for instructions, as it cannot fill DSPy's field markers; a validation set of its own; no cache.
"""

import concurrent.futures
import json
import random
import string
import sys
import urllib.request

TASK = json.load(sys.stdin)
STDOUT, sys.stdout = sys.stdout, sys.stderr  # peers print
THREADS = 8


def calls_made() -> int:
    with urllib.request.urlopen(TASK["url"] + "/count") as answer:
        return json.load(answer)["calls"]


def report(system: str, demos: list, validation: float) -> None:
    line = {"calls": calls_made(), "validation": validation, "prompt": {"system": system, "demos": demos}}
    print(json.dumps(line), file=STDOUT, flush=True)


def shuffled(rows: list) -> list:
    """Two of the peers take no seed: the order of their questions is theirs."""
    rows = list(rows)
    random.Random(TASK["seed"]).shuffle(rows)
    return rows


def normalized(text: str) -> str:
    options = TASK["metric_options"]
    if options.get("ignoreCase"):
        text = text.lower()
    if options.get("ignorePunctuation"):
        text = text.translate(str.maketrans("", "", string.punctuation))
    return text.strip()


def exact_match(text: str, references: list) -> float:
    return float(any(normalized(text) == normalized(reference) for reference in references))


def dspy_peer(name: str) -> None:
    import dspy

    class PlainChat(dspy.Adapter):
        """Demos as turns; the whole reply is the first output field."""

        def format(self, signature, demos, inputs):
            asked = list(signature.input_fields)
            answered = list(signature.output_fields)

            def question(values):
                if len(asked) == 1:
                    return str(values[asked[0]])
                return "\n\n".join(f"{field.replace('_', ' ')}: {values[field]}" for field in asked if field in values)

            messages = [{"role": "system", "content": signature.instructions}]
            for demo in demos:
                if all(field in demo for field in asked + answered[-1:]):
                    messages.append({"role": "user", "content": question(demo)})
                    messages.append({"role": "assistant", "content": str(demo[answered[-1]])})
            return [*messages, {"role": "user", "content": question(inputs)}]

        def parse(self, signature, completion):
            return {field: completion.strip() for field in signature.output_fields}

    class Answer(dspy.Signature):
        question: str = dspy.InputField()
        answer: str = dspy.OutputField()

    def model(tokens: int) -> dspy.LM:
        return dspy.LM(
            "openai/local",
            api_base=TASK["url"] + "/v1",
            api_key="none",
            temperature=0.0,
            max_tokens=tokens,
            cache=False,
            num_retries=0,
        )

    def examples(rows):
        return [
            dspy.Example(question=row["question"], answer=row["references"][0], references=row["references"]).with_inputs(
                "question"
            )
            for row in rows
        ]

    def metric(example, prediction, trace=None):
        value = exact_match(prediction.answer or "", example.references)
        return value if trace is None else value == 1

    best = [-1.0]
    evaluate = dspy.Evaluate.__call__

    def watched(self, program, *args, **options):
        """Each evaluation that is not on a minibatch: its best is what the optimizer would give if it ended now."""
        result = evaluate(self, program, *args, **options)
        devset = options.get("devset") or self.devset
        # MIPROv2 sees no more than 100 questions of validation when it is "light"
        if len(devset) >= min(len(TASK["validation"]), 100) and result.score > best[0]:
            best[0] = result.score
            tell(program, result.score / 100)
        return result

    def tell(program, score):
        predictor = program.predictors()[0]
        demos = [[demo["question"], demo["answer"]] for demo in predictor.demos]
        report(predictor.signature.instructions, demos, score)

    dspy.Evaluate.__call__ = watched
    dspy.configure(lm=model(TASK["answer_tokens"]), adapter=PlainChat(), num_threads=THREADS)
    program = dspy.Predict(Answer.with_instructions(TASK["system"]))
    train, validation = examples(shuffled(TASK["train"])), examples(TASK["validation"])

    if name == "bootstrap":
        optimizer = dspy.BootstrapFewShotWithRandomSearch(metric=metric, num_threads=THREADS)
        optimizer.compile(program, trainset=train, valset=validation)
    else:
        optimizer = dspy.MIPROv2(
            metric=metric,
            auto="light",
            num_threads=THREADS,
            prompt_model=model(TASK["optimizer_tokens"]),
            seed=TASK["seed"] or 9,  # 0 would be taken for none
        )
        compiled = optimizer.compile(program, trainset=train, valset=validation)
        tell(compiled, best[0] / 100)  # what it gives in the end need not be the last that was told


def gepa_peer() -> None:
    import gepa
    import openai
    from gepa.adapters.default_adapter.default_adapter import DefaultAdapter, EvaluationResult

    client = openai.OpenAI(base_url=TASK["url"] + "/v1", api_key="none", max_retries=0)

    def ask(messages, tokens):
        completion = client.chat.completions.create(model="local", messages=messages, temperature=0.0, max_tokens=tokens)
        return completion.choices[0].message.content or ""

    class Threaded(DefaultAdapter):
        """GEPA's own adapter; a batch's questions are asked at once."""

        def evaluate(self, batch, candidate, capture_traces=False):
            system = next(iter(candidate.values()))
            prompts = [
                [{"role": "system", "content": system}, {"role": "user", "content": data["input"]}] for data in batch
            ]
            with concurrent.futures.ThreadPoolExecutor(THREADS) as threads:
                replies = iter(list(threads.map(lambda prompt: ask(prompt, TASK["answer_tokens"]), prompts)))
            self.model = lambda _: next(replies)
            return super().evaluate(batch, candidate, capture_traces)

    def judge(data, reply):
        value = exact_match(reply, data["references"])
        wanted = data["references"][0]
        feedback = "Right." if value else f"Wrong. The whole reply must be: {wanted}"
        return EvaluationResult(score=value, feedback=feedback)

    def rows(examples):
        return [
            {
                "input": row["question"],
                "additional_context": {},
                "answer": row["references"][0],
                "references": row["references"],
            }
            for row in examples
        ]

    class Watch:
        def on_valset_evaluated(self, event):
            if event["is_best_program"]:
                report(next(iter(event["candidate"].values())), [], event["average_score"])

    gepa.optimize(
        seed_candidate={"system_prompt": TASK["system"]},
        trainset=rows(shuffled(TASK["train"])),
        valset=rows(TASK["validation"]),
        adapter=Threaded(model=lambda _: "", evaluator=judge),
        reflection_lm=lambda prompt: ask([{"role": "user", "content": prompt}], TASK["optimizer_tokens"]),
        max_metric_calls=TASK["calls"],
        stop_callbacks=lambda _: calls_made() >= TASK["calls"],
        callbacks=[Watch()],
        seed=TASK["seed"],
        display_progress_bar=False,
    )


if sys.argv[1] == "gepa":
    gepa_peer()
else:
    dspy_peer(sys.argv[1])
