"""The team: who works, with which skill and hours, and who looks after whom."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml

from configs.errors import ConfigError, RecordsError
from configs.load import load
from configs.schema import Config
from features.simulator import simulate
from serving.console.staff.team import team_of, team_problem, team_shown

EMPLOYEES = "code,name,skill,hours_per_week\nE1,Ada,experienced,10\nE2,Bo,regular,20\n"
OWNERS = "customer_id,employee\nC1,E2\nC3,E1\n"


def company(folder: Path, employees: str, owners: str | None = None, **team: object) -> Config:
    (folder / "employees.csv").write_text(employees, encoding="utf-8")
    given: dict[str, object] = {"employees": "employees.csv", **team}
    if owners is not None:
        (folder / "owners.csv").write_text(owners, encoding="utf-8")
        given["owners"] = "owners.csv"
    path = folder / "company.yaml"
    path.write_text(yaml.safe_dump({"data": str(folder), "team": given}), encoding="utf-8")
    return load(path, {})


def test_employees_and_owners_are_read_from_their_files(tmp_path):
    team = team_of(company(tmp_path, EMPLOYEES, OWNERS))
    assert [(one.code, one.skill, one.hours_per_week) for one in team.employees] == [
        ("E1", "experienced", 10.0),
        ("E2", "regular", 20.0),
    ]
    assert team.owner_indices(["C3", "C2", "C1"]).tolist() == [0, -1, 1]
    assert team.owner("C2") is None


def test_a_file_as_a_chinese_spreadsheet_saves_it_is_read(tmp_path):
    config = company(tmp_path, EMPLOYEES)
    text = "工号,姓名,技能等级,每周工时,登录名\r\nE9,王芳,资深,12.5,wangfang\r\n"
    (tmp_path / "employees.csv").write_bytes(text.encode("gb18030"))
    team = team_of(config)
    assert (team.employees[0].name, team.employees[0].skill) == ("王芳", "experienced")
    assert team.of_person("wangfang") == team.employees[0]


def test_a_company_without_a_team_has_nobody(tmp_path):
    team = team_of(load(None, {}))
    assert team.employees == ()
    assert team.owner_indices(["C1"]).tolist() == [-1]


def test_a_changed_file_is_read_again(tmp_path):
    config = company(tmp_path, EMPLOYEES)
    assert len(team_of(config).employees) == 2
    company(tmp_path, EMPLOYEES + "E3,Cy,automation,40\n")
    assert len(team_of(config).employees) == 3


@pytest.mark.parametrize(
    ("employees", "owners", "told", "told_in_chinese"),
    [
        (
            EMPLOYEES.replace("regular", "regullar"),
            OWNERS,
            "line 3: 'regullar' is no skill; did",
            "第3行：“regullar”不是技能；是否为“regular”？可用：",
        ),
        (
            EMPLOYEES.replace(",20", ",200"),
            OWNERS,
            "line 3: hours_per_week is '200'",
            "第3行：每周工时为“200”；请填写0至168之间",
        ),
        (
            EMPLOYEES.replace("E2", "E1"),
            OWNERS,
            "line 3: the code 'E1' is there twice",
            "第3行：工号“E1”重复",
        ),
        (
            EMPLOYEES.replace("E2", ""),
            OWNERS,
            "line 3: code is empty",
            "第3行：工号为空",
        ),
        (
            EMPLOYEES.replace("skill", "talent"),
            OWNERS,
            "has no column skill; its header is code",
            "缺少列：skill（技能、技能等级）；现有表头：code",
        ),
        (
            EMPLOYEES,
            OWNERS.replace("E2", "E7"),
            "line 2: no employee has the code 'E7'; did you",
            "第2行：没有工号为“E7”的员工；是否为“E",
        ),
        (
            EMPLOYEES,
            OWNERS + "C1,E1\n",
            "line 4: customer 'C1' has an owner already",
            "第4行：客户“C1”已有负责人",
        ),
    ],
)
def test_a_wrong_line_is_named_with_what_mends_it_in_both_languages(
    tmp_path, employees, owners, told, told_in_chinese
):
    config = company(tmp_path, employees, owners)
    with pytest.raises(RecordsError, match=told):
        team_of(config)
    problem = team_problem(config)
    assert told in problem.en
    assert told_in_chinese in problem.zh


def test_terms_of_a_tier_that_the_policy_lacks_are_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"team.tiers names tier 'gold'; tiers are \['vip'"):
        company(tmp_path, EMPLOYEES, tiers=[{"tier": "gold", "budget": 100}])


def test_a_simulated_company_has_a_team_for_its_customers(tmp_path):
    simulate(60, seed=3, out=tmp_path, days=100)
    team = team_of(load(tmp_path / "echelon.yaml", {}))
    customers = pq.read_table(tmp_path / "customers.parquet")["customer_id"].to_pylist()
    assert {one.skill for one in team.employees} == {"experienced", "regular", "automation"}
    assert set(team.owned.to_pylist()) <= set(customers)
    assert 0.3 < len(team.owned) / len(customers) < 0.9


def test_pages_go_on_with_the_team_as_last_read_and_say_what_is_wrong(tmp_path):
    config = company(tmp_path, EMPLOYEES)
    assert (len(team_shown(config).employees), team_problem(config)) == (2, None)
    (tmp_path / "employees.csv").write_text("code,name\nE1,Ada\n", encoding="utf-8")
    assert len(team_shown(config).employees) == 2
    assert "has no column skill, hours_per_week" in team_problem(config).en
    (tmp_path / "employees.csv").unlink()
    assert len(team_shown(config).employees) == 2
    company(tmp_path, EMPLOYEES + "E3,Cy,automation,40\n")
    assert (len(team_shown(config).employees), team_problem(config)) == (3, None)


def test_a_team_that_was_never_read_is_shown_as_nobody(tmp_path):
    config = company(tmp_path, "code,name\nE1,Ada\n")
    assert team_shown(config).employees == ()
