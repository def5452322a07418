"""Every page of the console in one table: who may come, and what answers.

The door refuses what has no row. A page is added here; its handler is in the package of its theme.
"""

from __future__ import annotations

from configs.section import Text
from serving.console import static_files
from serving.console.acting import actions, follow_up, mistakes, overrides
from serving.console.customer import pages as customer
from serving.console.customer.timeline import TIMELINE
from serving.console.customer.waterfall_picture import WATERFALL
from serving.console.drawn import pictures
from serving.console.experiments import outcome_pictures, outcomes
from serving.console.page import READ, Page
from serving.console.plans import plan_files, plan_page, plan_pictures
from serving.console.portfolios import portfolio, portfolio_pictures
from serving.console.quality import data, model, model_pictures
from serving.console.review_queue import exports, queue
from serving.console.service_levels import service
from serving.console.staff import attainment
from serving.console.tier_policy import policy_pages
from serving.console.visitors import sign_in
from serving.endpoint.route import PUBLIC, Role

MANAGERS: frozenset[Role] = frozenset({"manager", "admin"})
READERS: frozenset[Role] = frozenset({"manager", "admin", "data_scientist"})
"""A data scientist reads, with customers' ids masked, and takes no action on customers."""
EVERYBODY: frozenset[Role] = PUBLIC  # type: ignore[assignment]

CUSTOMER = "/console/customers/{customer_id:path}"
"""Takes every address that begins so: what belongs to one customer has its rows before it."""

PAGES = (
    Page("/", READ, EVERYBODY, "console_home", sign_in.home),
    Page("/console", READ, EVERYBODY, "console_start", sign_in.home),
    Page("/console/sign-in", READ, EVERYBODY, "console_sign_in", sign_in.form),
    Page("/console/sign-in", ("POST",), EVERYBODY, "console_enter", sign_in.enter),
    Page("/console/link", READ, EVERYBODY, "console_link", sign_in.link),
    Page("/console/link", ("POST",), EVERYBODY, "console_by_link", sign_in.by_link),
    Page("/console/sign-out", ("POST",), READERS, "console_leave", sign_in.leave),
    Page("/console/static/{name}", READ, EVERYBODY, "console_static", static_files.static),
    Page("/console/queue", READ, READERS, "console_queue", queue.page),
    *pictures.pages((WATERFALL, TIMELINE), READERS),
    Page(f"{CUSTOMER}/timeline", READ, READERS, "console_timeline", customer.timeline),
    Page(f"{CUSTOMER}/peers", READ, READERS, "console_peers", customer.likes),
    Page(f"{CUSTOMER}/what-if", READ, READERS, "console_what_if", customer.what_if),
    Page(f"{CUSTOMER}/paths", READ, READERS, "console_paths", customer.paths),
    Page(f"{CUSTOMER}/history", READ, READERS, "console_history", customer.tiers),
    Page(f"{CUSTOMER}/record", READ, READERS, "console_record", customer.printed),
    Page(f"{CUSTOMER}/record.json", READ, READERS, "console_record_file", customer.downloaded),
    Page(CUSTOMER, READ, READERS, "console_customer", customer.customer),
    Page(
        "/console/actions/of/{customer_id:path}",
        READ,
        READERS,
        "console_actions",
        actions.of_customer,
    ),
    Page("/console/actions/{kind}", ("POST",), MANAGERS, "console_act", actions.act),
    Page("/console/portfolio", READ, READERS, "console_portfolio", portfolio.page),
    Page("/console/portfolio/movers", READ, READERS, "console_movers", portfolio.who_moved),
    *pictures.pages(portfolio_pictures.PICTURES, READERS),
    Page("/console/service", READ, READERS, "console_service", service.page),
    Page("/console/service/overdue.csv", READ, READERS, "console_overdue", service.as_csv),
    *pictures.pages(service.PICTURES, READERS),
    Page("/console/model", READ, READERS, "console_model", model.page),
    Page("/console/model/card", READ, READERS, "console_card", model.card),
    *pictures.pages(model_pictures.PICTURES, READERS),
    Page("/console/data", READ, READERS, "console_data", data.page),
    *pictures.pages(data.PICTURES, READERS),
    Page("/console/plan", READ, READERS, "console_plan", plan_page.page),
    Page("/console/plan", ("POST",), MANAGERS, "console_plan_ask", plan_page.ask),
    Page("/console/plan/approve", ("POST",), MANAGERS, "console_plan_approve", plan_page.approve),
    Page("/console/plan/tasks", READ, READERS, "console_plan_tasks", plan_page.tasks),
    Page("/console/plan/list", READ, READERS, "console_plan_list", plan_page.work_list),
    Page("/console/plan/tasks.csv", READ, READERS, "console_plan_csv", plan_files.as_csv),
    Page("/console/plan/tasks.xlsx", READ, READERS, "console_plan_excel", plan_files.as_excel),
    *pictures.pages(plan_pictures.PICTURES, READERS),
    Page("/console/queue/export.csv", READ, READERS, "console_queue_csv", exports.as_csv),
    Page("/console/queue/export.xlsx", READ, READERS, "console_queue_excel", exports.as_excel),
    Page("/console/queue/views", ("POST",), READERS, "console_view_save", queue.save_view),
    Page(
        "/console/queue/views/delete", ("POST",), READERS, "console_view_delete", queue.delete_view
    ),
    *pictures.pages((queue.AUDIENCE,), READERS),
    Page("/console/mine", READ, MANAGERS, "console_mine", follow_up.page),
    Page("/console/overrides", READ, READERS, "console_overrides", overrides.page),
    Page("/console/mistakes", READ, READERS, "console_mistakes", mistakes.page),
    Page("/console/outcomes", READ, READERS, "console_outcomes", outcomes.page),
    *pictures.pages(outcome_pictures.PICTURES, READERS),
    Page("/console/team", READ, MANAGERS, "console_team", attainment.page),
    Page("/console/team/export.csv", READ, MANAGERS, "console_team_csv", attainment.export),
    *policy_pages.pages(READERS, MANAGERS),
)

MENU = (
    ("/console/queue", Text(zh="风险复核", en="Review")),
    ("/console/mine", Text(zh="我的跟进", en="My follow-ups")),
    ("/console/plan", Text(zh="资源分配", en="Allocation")),
    ("/console/outcomes", Text(zh="行动成效", en="Did it work")),
    ("/console/team", Text(zh="团队绩效", en="Team")),
    ("/console/portfolio", Text(zh="客户组合", en="Portfolio")),
    ("/console/service", Text(zh="服务标准", en="Service")),
    ("/console/policy", Text(zh="等级策略", en="Policy")),
    ("/console/overrides", Text(zh="等级调整", en="Overrides")),
    ("/console/model", Text(zh="模型", en="Model")),
    ("/console/data", Text(zh="数据", en="Data")),
)
"""Addresses in the navigation, in the order of work, with their names."""
