"""Long work in another process: what the web process needs to ask for it. Torch-free."""

from qdebug.jobs.client import Client, Running, WorkerFault, connect, stop_worker
from qdebug.jobs.verbs import (
    Check,
    GetDetail,
    GetExport,
    GetFixes,
    GetFixEstimate,
    GetFixTrial,
    GetInputCosines,
    GetLatency,
    GetLayers,
    GetOutlook,
    GetOutputChange,
    GetReport,
    GetScan,
    GetScore,
    GetSensitivity,
    GetShares,
    GetStats,
    GetTargets,
    GetVerdict,
    GetVerified,
    Inspect,
    Open,
    Request,
    Samples,
    Verb,
)  # fmt: skip

__all__ = [
    "Check", "Client", "GetDetail", "GetExport", "GetFixes", "GetFixEstimate", "GetFixTrial", "GetInputCosines",
    "GetLatency", "GetLayers", "GetOutlook", "GetOutputChange", "GetReport", "GetScan", "GetScore",
    "GetSensitivity", "GetShares", "GetStats", "GetTargets", "GetVerdict", "GetVerified", "Inspect", "Open",
    "Request", "Running", "Samples", "Verb", "WorkerFault", "connect", "stop_worker",
]  # fmt: skip
