"""Words of the model card."""

from __future__ import annotations

from configs.section import Language, Text

LANGUAGES: tuple[Language, ...] = ("zh", "en")
TITLE = Text(zh="模型卡：{company}，截至 {day}", en="Model card: {company}, as of {day}")

DATA = Text(zh="数据窗口", en="Data")
AS_OF = Text(zh="模型所知的最后一天：{day}", en="Last day the models know: {day}")
LEARNT_FROM_ALL = Text(
    zh="学习所用：{n}位客户，当日全部客户", en="Learnt from: all {n} customers of that day"
)
LEARNT_FROM = Text(
    zh="学习与评估所用：{of}位客户中的{n}位（{share}），按编号摘要抽取；评分覆盖所有客户",
    en="Learnt from and measured on: {n} of {of} customers ({share}), drawn by a digest of their "
    "ids; all are scored",
)
DATA_HEAD = (
    Text(zh="来源", en="source"),
    Text(zh="接受的行", en="rows accepted"),
    Text(zh="隔离的行", en="rows in quarantine"),
    Text(zh="客户", en="customers"),
    Text(zh="时间范围", en="days"),
)

DEFINITIONS = Text(zh="定义", en="Definitions")
CHURN_RULES: dict[str, Text] = {
    "no_purchase": Text(
        zh="流失：截止日之后 {days} 天内没有购买",
        en="Churn: no purchase within {days} days after the cutoff",
    ),
    "contract_end": Text(
        zh="流失：截止日之后 {days} 天内合同终止",
        en="Churn: the contract ends within {days} days after the cutoff",
    ),
}
CONTRACT_CHURN = Text(
    zh="流失：公司自己在快照中的标注，视为 {days} 天内离开",
    en="Churn: as the company's own label in the snapshot says, taken as leaving within {days} "
    "days",
)
MEASURES: dict[str, Text] = {
    "spend": Text(zh="消费", en="spend"),
    "margin": Text(zh="毛利", en="margin"),
}
CLV = Text(
    zh="客户终身价值：截止日之后 {days} 天内的{measure}（{currency}）",
    en="Lifetime value: {measure} within {days} days after the cutoff ({currency})",
)
CONTRACT_CLV = Text(
    zh="客户终身价值：月价值乘以 {days} 天的月数，再乘以留下的概率（{currency}）",
    en="Lifetime value: monthly value times the months in {days} days times the chance to stay "
    "({currency})",
)
POLICY = Text(
    zh="等级策略 {name}：门槛为训练时冻结的预期价值，缓冲带 ±{hysteresis}",
    en="Tier policy {name}: thresholds of expected value, frozen at training; buffer ±{hysteresis}",
)
TIER_HEAD = (Text(zh="等级", en="tier"), Text(zh="预期价值不低于", en="expected value from"))

USE = Text(zh="用途与局限", en="Intended use and limits")
USES = (
    Text(
        zh="用途：排定客户维系的先后，估计客户群的总价值，给出等级建议供人审核",
        en="For: ordering whom to look after first, the total value of groups of customers, and "
        "tiers that people review",
    ),
    Text(
        zh="不用于：信贷、雇佣、保险或其他法律后果重大的决定，也不作为对任何人的唯一依据",
        en="Not for: credit, employment, insurance or other decisions of legal weight, nor as the "
        "only ground of any decision about a person",
    ),
)
LIMITS = (
    Text(
        zh="个人数字的误差大于合计；原因说明模型如何得出数字，不证明因果",
        en="One customer's number errs more than a total; reasons tell how the model arrives at a "
        "number and prove no cause",
    ),
    Text(
        zh="假设未来与训练时段相似；价格、渠道或政策变化后应重新训练",
        en="The future is taken to be like the days learnt from; train again after prices, "
        "channels or policies change",
    ),
)

FEATURES = Text(zh="特征", en="Features")
FEATURES_LINE = Text(
    zh="声明 {n} 个特征，模型读取其中 {used} 个", en="{n} features declared; models read {used}"
)
FEATURE_HEAD = (
    Text(zh="类别", en="family"),
    Text(zh="声明", en="declared"),
    Text(zh="模型读取", en="read by models"),
)
FAMILIES: dict[str, Text] = {
    "behaviour": Text(zh="行为", en="behaviour"),
    "interaction": Text(zh="互动", en="interaction"),
    "satisfaction": Text(zh="满意度", en="satisfaction"),
    "profile": Text(zh="档案", en="profile"),
    "snapshot": Text(zh="合同快照", en="contract snapshot"),
}

TRAINING = Text(zh="训练", en="Training")
TWIN = Text(
    zh="评估所用模型只学到评估截止日为止；上线模型学到评分日为止",
    en="The measured model learns up to the evaluation cutoff, the served one up to the last day",
)
FOLDS = Text(
    zh="快照只有一天：评估用的模型未见过所评的客户，上线模型学自全部客户",
    en="A snapshot is of one day: measured models had not seen the customers they are measured on, "
    "the served one learns from all",
)
CUTOFF_HEAD = (
    Text(zh="目标", en="target"),
    Text(zh="上线模型的训练截止日", en="cutoffs of the served model"),
    Text(zh="评估模型的训练截止日", en="cutoffs of the measured model"),
    Text(zh="评估截止日", en="evaluation cutoff"),
)

TARGETS: dict[str, Text] = {
    "churn": Text(zh="流失", en="churn"),
    "clv": Text(zh="客户终身价值", en="lifetime value"),
}
FIGURES = Text(zh="评级与指标", en="Grade and figures")
METHOD = Text(zh="方法", en="method")
PROTOCOLS: dict[str, Text] = {
    "out_of_time": Text(
        zh="在 {day} 评估 {n} 位客户；此日之后的结果未参与训练",
        en="measured at {day} on {n} customers; nothing after that day was trained on",
    ),
    "cross_validated": Text(
        zh="对 {n} 位客户交叉验证", en="cross-validated on {n} customers, {day}"
    ),
}
GRADE = Text(zh="评级 {letter}", en="Grade {letter}")
SKILL = Text(
    zh="相对最佳规则的技能 {skill}（95% 区间 {low} 至 {high}）",
    en="skill over the best rule {skill} (95 % interval {low} to {high})",
)
NOT_MEASURED = Text(
    zh="尚无可评估的时段，或客户太少", en="no period to measure on yet, or too few customers"
)

CALIBRATION = Text(zh="校准", en="Calibration")
CALIBRATION_LINE = Text(
    zh="客户按预测分为十档，比较各档的预测均值与实际均值",
    en="customers in ten bins by prediction: mean predicted and mean actual of each",
)
BIN_HEAD = (
    Text(zh="目标", en="target"),
    Text(zh="档", en="bin"),
    Text(zh="客户", en="customers"),
    Text(zh="预测", en="predicted"),
    Text(zh="实际", en="actual"),
)

SLICES = Text(zh="分组表现", en="Figures by part of the customers")
SLICES_LINE = Text(
    zh="流失为 AUC，价值为归一化基尼，括号内为 90% 重抽样区间；不足 30 位客户的部分不列",
    en="AUC of churn, normalised Gini of value, with the bounds of 90 % of resamples; parts of "
    "fewer than 30 customers are left out",
)
SLICE_HEAD = (
    Text(zh="目标", en="target"),
    Text(zh="部分", en="part"),
    Text(zh="客户", en="customers"),
    Text(zh="排序", en="ranking"),
    Text(zh="预测均值", en="mean predicted"),
    Text(zh="实际均值", en="mean actual"),
)

SENSITIVE = Text(zh="敏感属性", en="Sensitive attributes")
NONE_SENSITIVE = Text(
    zh="配置 features.sensitive 为空：没有属性被当作敏感而排除在评分之外",
    en="the configuration's features.sensitive is empty: nothing is kept out of scoring as "
    "sensitive",
)
NONE_FOUND = Text(zh="记录中没有", en="none among the records")
LEFT_OUT = Text(zh="不参与评分，只用于分组对照", en="kept out of scoring, for splitting figures")
SENSITIVE_WORDS = Text(zh="列名含有这些词即视为敏感", en="columns with these words count as such")

RULES = Text(zh="等级大致由什么决定", en="What the tiers come to")
RULE_HEAD = (Text(zh="条件", en="conditions"), Text(zh="等级", en="tier"))

SEGMENTS = Text(zh="客户分群", en="Segments")
NO_SEGMENTS = Text(zh="没有分群", en="no segments")
SEGMENT_RULES = Text(
    zh="客群按与哪个中心最近来划分；描述由一棵小树写成：训练时{agreement}的客户按描述归入的正是所在客群",
    en="Customers are in the segment whose centre is nearest; the words are read off a small tree, "
    "which put {agreement} of the customers at training where they are",
)
SEGMENT_HEAD = (
    Text(zh="客群", en="segment"),
    Text(zh="占比", en="share"),
    Text(zh="描述", en="in words"),
)

INTERVALS = Text(zh="区间覆盖率", en="Coverage of intervals")
NO_COVERAGE = Text(zh="尚未检验区间的覆盖率", en="coverage of intervals is not counted yet")

VERSIONS = Text(zh="版本与指纹", en="Versions and digests")
VERSION_HEAD = (Text(zh="项目", en="of"), Text(zh="值", en="value"))
