"""The policy that the next publication follows, and models under it."""

from __future__ import annotations

from configs.errors import ConfigError, did_you_mean
from configs.schema import Config, Stores
from serving.endpoint.state import open_state
from serving.policies.versions import in_force
from training.bundle import Bundle
from training.policy import Policy


def policy_in_force(stores: Stores) -> Policy | None:
    """Return the approved policy in force; ``None`` where it is the bundle's own.

    Raises:
        ServiceError: the state database cannot be opened.
        PublicationError: the version in force was altered in it.
    """
    if stores.state is None and not (stores.root / "state.db").is_file():
        return None
    state = open_state(stores)
    try:
        found = in_force(state)
    finally:
        state.close()
    return None if found is None else found.policy


def under_policy_in_force(config: Config, bundle: Bundle) -> Bundle:
    """Return the models with tiers by the policy in force.

    Raises:
        ConfigError: a guard of it reads a feature that the models were not built with.
    """
    policy = policy_in_force(config.stores)
    if policy is None:
        return bundle
    for name in policy.guard_inputs:
        if name not in bundle.feature_names:
            raise ConfigError(
                f"policy {policy.name} in force guards by feature {name!r}, which the model was "
                f"not built with; {did_you_mean(name, bundle.feature_names)}. Approve another "
                "policy, or go back to the model's own by `echelon policy use-bundle`"
            )
    return bundle.under(policy)


def learning_config(config: Config) -> Config:
    """Return the configuration to train with: tiers are those in force, where some are.

    So intervals, outlook and figures by tier are of the tiers that will be served.
    """
    policy = policy_in_force(config.stores)
    return config if policy is None else config.model_copy(update={"policy": policy.settings})
