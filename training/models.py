"""The model kinds a bundle may hold, and how one is read back."""

from __future__ import annotations

import json
from collections.abc import Mapping

from configs.errors import ModelError
from training.additive import AdditiveModel
from training.anchor import TargetName
from training.contract import ContractValue
from training.contract_model import KIND, ContractChurn
from training.rule_model import RuleModel

Model = AdditiveModel | ContractChurn | ContractValue | RuleModel
KINDS: dict[
    str, type[AdditiveModel] | type[ContractChurn] | type[ContractValue] | type[RuleModel]
] = {
    "additive": AdditiveModel,
    KIND: ContractChurn,
    "contract": ContractValue,
    "rule": RuleModel,
}


def read_model(target: TargetName, files: Mapping[str, bytes]) -> Model:
    """Return the model of ``target`` from the files of all models.

    Raises:
        ModelError: the model's file is missing or of a kind unknown to this version.
    """
    if f"{target}.json" not in files:
        raise ModelError(f"the bundle has no model for {target}; its files are {sorted(files)}")
    kind = json.loads(files[f"{target}.json"]).get("kind")
    if kind not in KINDS:
        raise ModelError(f"model {target} is of kind {kind!r}; known: {', '.join(sorted(KINDS))}")
    return KINDS[kind].from_files(target, files)
