# 程序其他部分的英文句子：以英文消息识别，以中文消息显示。


## States within a sentence
sentence-state-draft = 草稿
sentence-state-awaiting-approval = 待审批
sentence-state-scheduled = 已排期
sentence-state-running = 进行中
sentence-state-paused = 已暂停
sentence-state-completed = 已完成
sentence-state-cancelled = 已取消
sentence-state-rolled-back = 已回滚
sentence-state-waiting = 等待中
sentence-state-offered = 已下发
sentence-state-downloading = 下载中
sentence-state-installing = 安装中
sentence-state-verifying = 验证中
sentence-state-verified = 已验证
sentence-state-declined = 已拒绝
sentence-state-failed = 失败
sentence-state-reverted = 已退回
sentence-state-timed-out = 超时
sentence-state-superseded = 已被取代
sentence-because = （{ $why }）

## Why an update stands still or ended
sentence-brake-count = 已有 { $failed } 个失败，上限为 { $limit }
sentence-brake-share = { $ended } 个中有 { $failed } 个失败，上限为 { $share } %
sentence-brake-stage = 第 { $stage } 阶段中，{ $ended } 个里有 { $failed } 个失败
sentence-brake-nobody = 第 { $stage } 阶段中没有终端被确认正常运行新版本
sentence-brake-kind = { $n } 个为“{ $kind }”，上限为 { $limit }
sentence-paused-by = 由 { $name } 暂停
sentence-cancelled-by = 由 { $name } 取消
sentence-taken-back-by = 由 { $name } 回滚
sentence-no-word = “{ $state }”时未收到回应
sentence-too-slow = 数据传输过慢
sentence-lost-installing = 安装过程中断线，重新上线后没有新版本

## Why a terminal is not updating
sentence-why-up-to-date = 已运行应有的版本。
sentence-why-no-rollout = 没有升级任务包含它。如需更换版本，请新建升级任务。
sentence-why-waits-for = 全部模块须一起更新，正在等待 { $module }：{ $why }
sentence-set-broken = 全有或全无，{ $module }：{ $why }
sentence-set-limit = 全有或全无需要一次向终端推送 { $packages } 个软件包，{ $limit } 太少
sentence-set-fleet-limit = 服务器同时最多进行 { $limit } 个更新，而这里需要 { $packages } 个
sentence-taken-back-already = 该升级任务刚刚已被回滚或已结束
sentence-part-ended = 服务器的一个部分（{ $part }）因程序错误已停止：请重启服务器
sentence-why-offline = 终端离线，重新上线后会立即下发。
sentence-why-not-started = 升级任务尚未启动。
sentence-why-awaiting = 升级任务正在等待另一人批准。
sentence-why-scheduled = 升级任务将于 { $at } 开始。
sentence-why-scheduled-open = 升级任务尚未开始。
sentence-why-paused = 升级任务已暂停{ $because }，继续后才会下发。
sentence-why-stage = 它属于第 { $stage } 阶段（共 { $stages } 个），上一阶段验证通过后才会开始。
sentence-why-in-flight = 正在进行的升级已达到该任务的上限 { $limit }，有一个结束后即轮到它。
sentence-why-starts = 最近一分钟已下发 { $limit } 台终端，达到该任务的上限。
sentence-why-fleet = 所有任务正在进行的升级已达到服务器上限 { $limit }，有一个结束后即轮到它。
sentence-why-condition = 按最近一次上报，它不满足任务的条件（{ $condition }）。上报满足条件后即会下发。
sentence-why-needs = 该软件包{ $unmet }。终端满足后即会下发。
sentence-why-window = 当前不在维护时段内，将于 { $at } 时段开始后下发。
sentence-why-asked-for-time = 终端请求稍后再试{ $because }，将于 { $at } 再次下发。
sentence-why-again = 第 { $n } 次尝试未成功{ $because }，将于 { $at } 重试。
sentence-why-elsewhere = 另一个升级任务正在更改该模块，结束后即轮到它。
sentence-why-under-way = 正在升级：{ $state }。
sentence-why-declined = 终端拒绝了该软件包{ $because }。
sentence-why-failed = 终端安装失败{ $because }。请重试，或新建升级任务。
sentence-why-reverted = 终端已退回之前的版本{ $because }。
sentence-why-timed-out = 终端在限定时间内没有回应{ $because }。
sentence-why-cancelled = 升级任务已被取消。如需更换版本，请新建升级任务。
sentence-why-superseded = 已由更新的升级任务接管。
sentence-why-same = 制定计划时它已运行该版本。
sentence-why-quarantined = 它曾因该软件包多次失败，已被隔离。请解除隔离，或换用更高版本。
sentence-why-newer = 它运行的版本更高，而该任务不允许降级。如需降级，请允许降到较低版本。
sentence-why-left-out = 制定计划时它未被纳入{ $because }。
sentence-reason-same-version = 已运行该版本
sentence-reason-busy = 终端正忙
sentence-reason-no-space = 存储空间不足
sentence-reason-incompatible = 与该终端不兼容
sentence-reason-known-bad = 曾试装该版本但未成功
sentence-reason-bad-signature = 签名不受信任
sentence-why-set = 各模块要求全有或全无，正在等待 { $module }：{ $why }
sentence-reason-set = 要求全有或全无，而 { $module }：{ $reason }
sentence-reason-sets-not-supported = 终端程序不支持将多个模块作为一组安装
sentence-attention = 必须是以下之一：{ $words }
sentence-needs = 需要 { $what }

## What cannot be done with an update
sentence-steer-gone = 没有该升级任务，或它已结束
sentence-steer-state = 升级任务当前为“{ $state }”，无法执行此操作
sentence-steer-second = 必须由另一人批准：发起人不能批准自己的升级任务
sentence-steer-invalid = 无法按要求执行该升级任务

## What is wrong with a field
sentence-range = 必须在 { $low } 到 { $high } 之间，不能是 { $value }
sentence-range-null = 必须在 { $low } 到 { $high } 之间，留空表示不限
sentence-at-least-null = 至少为 { $low }，留空表示不限
sentence-at-least-or-null = 至少为 { $low }，或留空
sentence-at-least = 至少为 { $low }
sentence-above-null = 必须大于 0 且不超过 { $most }，留空表示不限
sentence-window-shorter = 必须短于验证时限（{ $s } 秒）
sentence-stages-many = 最多 { $n } 个阶段
sentence-stage-percent = 第 { $n } 阶段：百分比必须大于 0 且不超过 100，不能是 { $p }
sentence-stage-count = 第 { $n } 阶段：数量至少为 1
sentence-stage-grow = 第 { $n } 阶段：各阶段必须递增，本阶段没有大于上一阶段
sentence-window-time = { $text } 不是有效时间，请写成 22:00
sentence-window-form = { $text }：请写成 sat sun 22:00-05:00
sentence-window-day = { $word } 不是星期，请写 mon 到 sun
sentence-window-never = 第 { $n } 个时段：永远不会开始，起止时间不能相同（全天请写 00:00 到 24:00）
sentence-rules-many = 最多 { $n } 条规则
sentence-rule = 第 { $n } 条规则：{ $what }
sentence-pattern-length = 表达式长度为 1 到 { $n } 字节
sentence-pattern = { $pattern } 不是有效的正则表达式：{ $what }
sentence-requirement-range = { $part }：版本范围请写成 ">= 1.2, < 2"
sentence-requirement-form = { $part }：请写成 app1 >= 1.2; from >= 1.0; hardware rev-b, rev-c
sentence-requirement-twice = { $word } 出现了两次，请把范围写在一起：>= 1.2, < 2
sentence-requirement-itself = { $module } 不能要求自己，请用 "from" 说明须从哪个版本升级
sentence-requirement-many = 每类最多 { $n } 个
sentence-missing = 缺少此项
sentence-twice = 重复出现
sentence-unknown = 无法识别
sentence-too-many-characters = 最多 { $n } 个字符
sentence-too-many-bytes = 最多 { $n } 字节
sentence-not-text = 必须是 UTF-8 文本
sentence-file-large = 文件大于 { $n } 字节。
sentence-disk-full = 服务器磁盘空间不足，无法保存该软件包。
sentence-part-large = 表单中有一项过大。
sentence-form-unreadable = 无法读取表单。
sentence-form-large = 表单过大。
sentence-other-bytes = { $name } 已存在且内容不同，请为新文件使用新的版本号。
sentence-in-use = 仍有升级任务在使用该软件包：{ $ids }。请先取消它们，或等待其结束。
sentence-name-form = { $what }须为 1 到 64 个字符（A-Z a-z 0-9 . _ : -），且不能只是一两个点，不能是 { $found }
sentence-version-form = 版本号须为 1 到 64 个字符（A-Z a-z 0-9 . _ : + ~ -），不能是 { $found }
sentence-what-module = 模块名称
sentence-what-device = 终端 ID
sentence-role-unknown = { $text } 不是有效角色，请使用 viewer、operator 或 admin
sentence-taken = 已被使用
sentence-not-your-password = 密码不正确
sentence-no-device = 没有终端 { $id }
sentence-no-group = 没有该分组
sentence-one-device = 请至少填写一台终端
sentence-one-tag = 请至少填写一个标签
sentence-printable = 须为 1 至 { $n } 个可显示的字符，首尾不能有空格
sentence-no-slash = 不能包含 /
sentence-password-length = 须为 10 至 256 个字符
sentence-tags-many = 最多 { $n } 个标签
sentence-tag-name = 标签名 { $name } 须为 1 至 64 个字符，可用 A-Z a-z 0-9 . _ : -
sentence-tag-value = { $name } 的值最多 190 个可显示的字符
sentence-tags-nothing = 没有要设置或去掉的标签
sentence-not-before = 须为将来的时间；留空则立即开始
sentence-one-package = 请至少选择一个软件包
sentence-packages-many = 最多 { $n } 个软件包
sentence-package-twice = { $module } 重复；每个模块只能选择一个版本
sentence-filter-fits-none = 没有终端符合此筛选条件
sentence-tags-fit-none = 没有终端具有这些标签
sentence-no-device-yet = 还没有终端
sentence-form-broken = 无法读取表单：{ $why }。

## 清单的问题
sentence-manifest-no-trust = 本服务器还没有信任文件，请用 fleetward keys init 创建
sentence-manifest-missing = 缺少：本服务器只接受在别处签名的软件包
sentence-manifest-signature = bad_signature：没有可信密钥的签名
sentence-manifest-too-few = too_few_signatures：需要 { $need } 个密钥签名，目前只有 { $have } 个
sentence-manifest-unreadable = bad_document：无法读取清单：{ $why }
sentence-manifest-weak-key = weak_key：密钥不是 Ed25519 密钥，或强度不足
sentence-manifest-other-module = mismatch：清单属于另一个模块
sentence-manifest-other-version = mismatch：清单属于另一个版本
sentence-manifest-other-file = mismatch：清单属于另一个文件
sentence-manifest-epoch = wrong_epoch：签名时的纪元为 { $found }，可信的纪元为 { $trusted }
sentence-manifest-expired = trust_expired：信任文件已过期，须由根密钥的持有者签发新的

## Filters
sentence-filter-fault = 第 { $at } 个字符处：应为{ $expected }，实际为{ $found }
sentence-filter-in-quotes = { $what }（如确指该词，请加引号）
sentence-filter-end = 结尾
sentence-filter-and-or-end = `and`、`or` 或结尾
sentence-filter-and-or-close = `and`、`or` 或 `)`
sentence-filter-value = 一个值
sentence-filter-version = 版本号（1 到 64 个字符 A-Z a-z 0-9 . _ : + -）
sentence-filter-number = 数字，如 80 或 12.5
sentence-filter-true = true 或 false
sentence-filter-text-signs = =、!=、~ 或 in
sentence-filter-version-signs = =、!=、<、<=、>、>=、~ 或 in
sentence-filter-number-signs = =、!=、<、<=、>、>= 或 in
sentence-filter-comma = `,` 或 `)`
sentence-filter-fields = id、name、online、offline、tag.名称、module.名称、cpu、load、temperature、disk、speed、location 或 report.字段
sentence-filter-place-signs = in、= none 或 != none
sentence-filter-area = circle(纬度, 经度, 公里数) 或 polygon(纬度, 经度, ...)
sentence-filter-kilometres = 公里数，大于 0 且不超过 20016
sentence-filter-latitude = -90 到 90 的纬度
sentence-filter-longitude = -180 到 180 的经度
sentence-filter-comma-longitude = `,` 和经度
sentence-filter-comma-kilometres = `,` 和半径公里数
sentence-filter-third-corner = `,` 和下一个顶点：多边形至少有三个顶点
sentence-filter-last-corner = `)`，或 `,` 和下一个顶点：最多 { $most } 个
sentence-filter-word = 一个词、符号或加引号的文本

## What is well
sentence-well-cpu = 处理器占用不超过 { $n } %
sentence-well-load = 负载不超过 { $n }
sentence-well-temperature = 温度不超过 { $n } °C
sentence-well-disk = 磁盘占用不超过 { $n } %
sentence-well-report = 每 { $n } 秒至少上报一次
sentence-well-status = { $process } 的状态匹配 { $pattern }
sentence-well-status-not = { $process } 的状态不匹配 { $pattern }
sentence-unwell = { $name } 为 { $value }，上限为 { $limit }
sentence-unwell-silent = 已 { $silent } 秒没有上报，上限为 { $limit } 秒

## Whole pages
sentence-not-found-page = 没有该页面。
sentence-not-found-update = 没有该升级任务。
sentence-not-found-rollout = 没有该升级任务。
sentence-not-found-terminal = 没有该终端。
sentence-not-found-device = 没有该终端。
sentence-not-found-package = 没有该软件包。
sentence-not-found-user = 没有该用户。
sentence-not-found-token = 没有该令牌。
sentence-not-found-session = 没有这个会话。
sentence-not-found-group = 没有这个分组。
sentence-not-found-view = 没有这个视图。
sentence-cross-site = 该请求来自其他网站的页面。
sentence-too-long-took = 接收内容超过了 { $s } 秒。
sentence-body-large = 内容过大。
sentence-too-many-codes = 验证码错误次数过多，请稍候再试。
sentence-set-up = 已有用户，请直接登录。
sentence-too-many = 该地址的请求过多，请放慢。
sentence-too-many-tries = 登录尝试次数过多，请稍后再试。
sentence-bad-form = 表单不属于当前会话或已过期，请重新加载页面。
sentence-fault = 服务器出现故障，详情见日志。
sentence-database = 数据库暂不可用，请稍后再试。
sentence-last-admin = 这是最后一位管理员，请先添加另一位管理员。
sentence-name-taken = 已有同名用户。
sentence-no-place = 列表中没有该位置，请从头开始
sentence-streams = 目前实时查看的页面过多。
