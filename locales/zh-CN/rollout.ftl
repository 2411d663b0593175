# 升级任务页面及相关页面共用的文字。
rollout-before = （此前：{ $version }）
rollout-for = 适用于
rollout-started = <bdi>{ $name }</bdi> 于 { $at } 创建
rollout-approved-by = 由 <bdi>{ $name }</bdi> 批准
rollout-lower-allowed = 允许降到较低版本
rollout-takes-back = 用于回滚<a href="/rollouts/{ $id }">升级任务 { $id }</a>
rollout-way-back = 已由<a href="/rollouts/{ $id }">升级任务 { $id }</a> 回滚
rollout-progress = 进度
rollout-ended = 结束于 { $at }
rollout-course = 随时间变化：{ $verified } 个已验证，{ $failed } 个失败
rollout-course-span = { $from } 至 { $to }，最高 { $most }：
rollout-only-label = 只看处于以下状态的终端
rollout-only-all = 全部
rollout-none-in-state = 目前没有处于该状态的终端。
rollout-show-all = 显示全部
rollout-no-device = 该升级任务不包含任何终端。
transfer-left = 剩余 { $time }

target-all = 所有终端
target-all-later = 所有终端（包括以后加入的）
target-tags = 标签为 <bdi class="text">{ $tags }</bdi> 的终端
target-filter = 符合 <code class="text">{ $filter }</code> 的终端
target-fixed = （仅限任务开始时符合的）
target-devices = 指定的 { $n } 台终端

stage-number = 第 { $n } 阶段
stage-done = 已完成
stage-open = 进行中
stage-ahead = 未开始

outcome-title = 计划与结果
outcome-planned = 计划
outcome-so-far = 目前
outcome-devices = 终端
outcome-offline = （其中 { $n } 台当时离线）
outcome-modules = 需升级的模块
outcome-verified = { $n } 个已验证
outcome-badly = 未成功
outcome-open = 尚未结束
outcome-bytes = 需发送

act-launch = 启动
act-launch-help = 这是草稿，尚未向终端下发任何内容。
act-approve = 批准
act-approve-help = 须由 <bdi>{ $name }</bdi> 以外的另一人批准后才会下发。
act-pause = 暂停
act-pause-help = 不再下发新的升级，正在进行的会继续完成。
act-resume = 继续
act-resume-help = 从暂停处继续，此前的失败不再计入上限。
act-retry = 重试
act-retry-help = { $n } 个未成功的模块会重新升级，重试次数重新计算。
act-rollback = 回滚…
act-rollback-help = 结束该任务，并让终端恢复到之前的版本。
act-cancel = 取消…
act-cancel-help = 结束该任务，已升级的终端保持新版本。

column-name = 名称
column-state = 状态
column-module-version = { $module } 版本
column-module-state = { $module } 状态
column-device = 终端
column-module = 模块
column-runs = 当前版本
column-why = 原因
column-stage = 阶段
column-changes = 变更
list-first = 仅显示前 { $n } 项，共 { $of } 项。

policy-title = 升级策略
policy-counts-after = 验证时长
policy-counts-after-s = 正常运行 { $n } 秒后视为成功
policy-at-once = 并发上限
policy-at-once-n = 最多同时升级 { $n } 个模块
policy-pauses = 自动暂停
policy-pauses-count = 失败达到 { $n } 个时
policy-pauses-share = 失败率超过 { $percent } % 时
policy-pauses-either = 失败达到 { $n } 个，或失败率超过 { $percent } % 时
policy-pauses-never = 从不
policy-pauses-kind = “{ $state }”达到 { $n } 个时
policy-well = 正常的标准
policy-well-runs = 运行新版本
policy-windows = 仅限时段
policy-windows-own = 按各终端当地时间
policy-only-when = 前提条件
policy-starts = 每分钟
policy-starts-n = 最多下发 { $n } 个
policy-priority = 优先级
policy-tries = 尝试次数
policy-not-before = 不早于
policy-rate = 每台终端限速

path-label = 步骤
path-packages = 选择版本
path-target = 选择终端
path-policy = 升级策略
path-plan = 核对计划并确认

plan-title = 升级计划
plan-devices = 将升级的终端
plan-offline = （其中 { $n } 台当前离线，上线后升级）
plan-bytes = 需发送
plan-stages = 阶段
plan-lower = 降到较低版本
plan-lower-n = { $n } 台终端将降到较低版本（您已允许）
plan-lower-mark = 降级
plan-nothing = 目前没有终端需要升级。
plan-nothing-why = 下面列出了各终端不参与的原因。
plan-nothing-fits = 没有终端符合您的选择。
plan-nothing-later = 以后加入的终端仍会升级。
plan-start = 升级 { $n } 台终端
plan-start-none = 没有可升级的终端
plan-draft = 存为草稿
plan-back = 返回修改
plan-changes = 将升级的终端
plan-exclusions = 不参与的终端
plan-allow-lower = （如需改变，请返回并允许降到较低版本）

## 维护时段
window-hours = { $from } 至 { $to }
day-mon = 周一
day-tue = 周二
day-wed = 周三
day-thu = 周四
day-fri = 周五
day-sat = 周六
day-sun = 周日
