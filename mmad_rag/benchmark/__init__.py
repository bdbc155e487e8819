"""Measure on MMAD what knowledge is worth: questions, arms, runs, scores, comparisons."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mmad_rag.lazy import lazy_names

if TYPE_CHECKING:
    from mmad_rag.benchmark.analysis.compare import Comparison, compare_arms
    from mmad_rag.benchmark.data.mmad import Benchmark, TemplateKind, load_questions
    from mmad_rag.benchmark.data.selection import Selection, select
    from mmad_rag.benchmark.many.answers_run import read_answered
    from mmad_rag.benchmark.many.errors import ErrorPatterns, error_patterns
    from mmad_rag.benchmark.many.matrix import ModelMatrix, compare_models
    from mmad_rag.benchmark.many.same_questions import SameQuestions, same_questions
    from mmad_rag.benchmark.run.arms import ARM_NAMES, Arm, build_arms
    from mmad_rag.benchmark.run.reader import read_run
    from mmad_rag.benchmark.run.records import OutcomeRow, Run, RunHeader
    from mmad_rag.benchmark.run.run_arms import RunResult, run_arms
    from mmad_rag.benchmark.run.settings import RunSettings
    from mmad_rag.benchmark.run.worker import RunProgress
    from mmad_rag.benchmark.score.answers_file import AnswerRecord, read_answers
    from mmad_rag.benchmark.score.rules import Rule
    from mmad_rag.benchmark.score.score import score_answers, score_run
    from mmad_rag.benchmark.score.table import ScoreTable
    from mmad_rag.reading.parse import PARSER_VERSION, read_choice

__all__ = [
    "ARM_NAMES",
    "PARSER_VERSION",
    "AnswerRecord",
    "Arm",
    "Benchmark",
    "Comparison",
    "ErrorPatterns",
    "ModelMatrix",
    "OutcomeRow",
    "Rule",
    "Run",
    "RunHeader",
    "RunProgress",
    "RunResult",
    "RunSettings",
    "SameQuestions",
    "ScoreTable",
    "Selection",
    "TemplateKind",
    "build_arms",
    "compare_arms",
    "compare_models",
    "error_patterns",
    "load_questions",
    "read_answered",
    "read_answers",
    "read_choice",
    "read_run",
    "run_arms",
    "same_questions",
    "score_answers",
    "score_run",
    "select",
]

if not TYPE_CHECKING:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "mmad_rag.benchmark.analysis.compare": (
                "Comparison",
                "compare_arms",
            ),
            "mmad_rag.benchmark.data.mmad": (
                "Benchmark",
                "TemplateKind",
                "load_questions",
            ),
            "mmad_rag.benchmark.data.selection": (
                "Selection",
                "select",
            ),
            "mmad_rag.benchmark.many.answers_run": ("read_answered",),
            "mmad_rag.benchmark.many.errors": (
                "ErrorPatterns",
                "error_patterns",
            ),
            "mmad_rag.benchmark.many.matrix": (
                "ModelMatrix",
                "compare_models",
            ),
            "mmad_rag.benchmark.many.same_questions": (
                "SameQuestions",
                "same_questions",
            ),
            "mmad_rag.benchmark.run.arms": (
                "ARM_NAMES",
                "Arm",
                "build_arms",
            ),
            "mmad_rag.benchmark.run.reader": ("read_run",),
            "mmad_rag.benchmark.run.records": (
                "OutcomeRow",
                "Run",
                "RunHeader",
            ),
            "mmad_rag.benchmark.run.run_arms": (
                "RunResult",
                "run_arms",
            ),
            "mmad_rag.benchmark.run.settings": ("RunSettings",),
            "mmad_rag.benchmark.run.worker": ("RunProgress",),
            "mmad_rag.benchmark.score.answers_file": (
                "AnswerRecord",
                "read_answers",
            ),
            "mmad_rag.benchmark.score.score": (
                "score_answers",
                "score_run",
            ),
            "mmad_rag.benchmark.score.rules": ("Rule",),
            "mmad_rag.benchmark.score.table": ("ScoreTable",),
            "mmad_rag.reading.parse": (
                "PARSER_VERSION",
                "read_choice",
            ),
        },
    )
