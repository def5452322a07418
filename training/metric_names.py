"""What people call each metric."""

from __future__ import annotations

from configs.section import Text

METRIC_NAMES: dict[str, Text] = {
    "auc": Text(zh="排序能力 AUC", en="Ranking (AUC)"),
    "brier": Text(zh="概率误差 Brier", en="Brier score"),
    "log_loss": Text(zh="对数损失", en="Log loss"),
    "ece15": Text(zh="校准误差", en="Calibration error"),
    "top_decile_lift": Text(zh="前10%提升", en="Top-decile lift"),
    "ngini": Text(zh="价值排序", en="Value ranking"),
    "mae": Text(zh="平均绝对误差", en="Mean absolute error"),
    "rmse": Text(zh="均方根误差", en="Root mean squared error"),
    "dmape": Text(zh="分档误差", en="Decile error"),
    "bias": Text(zh="总量偏差", en="Bias of the total"),
    "top10": Text(zh="前10%所占价值", en="Value of the top tenth"),
}
