# 单台终端。
device-since = 自 { $at } 起
device-update = 升级此终端
device-known = 首次出现于 { $at }
device-modules = 模块
device-runs = 运行版本
device-should-run = 目标版本
device-why = 原因
device-quarantine = 隔离中：
device-kept-from = <strong>{ $module } { $version }</strong> 失败 { $n } 次，最近一次在<a href="/rollouts/{ $id }">升级任务 { $id }</a>
device-quarantine-about = 不再向它下发这些软件包；更新的版本会重新尝试。
device-free = 解除隔离
device-no-modules = 终端没有报告模块。代理程序用 <code>--module app1=DIR</code> 指定。
device-charts = 变化趋势
device-report = 最近上报
device-place = 位置
device-assignments = 升级任务
device-no-assignments = 还没有升级任务包含此终端。
device-steps = 步骤
device-changes = 版本历史
device-no-changes = 还没有报告过版本。
device-from = 原版本
device-to = 新版本
device-when = 时间
device-connections = 连接记录
device-no-connections = 自开始记录以来尚未连接。
device-log = 状态日志
device-edit = 名称和标签
device-name = 名称
device-tags = 标签，每行一个 名称=值
device-save = 保存
device-access = 接入
device-allow = 允许重新注册
device-allow-about = 用于丢失令牌或已更换的终端。在此之前原令牌仍然有效。
device-disallow = 不再允许重新注册
device-disallow-about = 现在可以用注册令牌为此标识注册一次；之后终端获得新的令牌。
device-revoke = 吊销令牌…
device-revoke-about = 连接会被关闭，原令牌不能再使用。
device-delete = 删除…
device-delete-about = 删除终端及其上报和历史。

## 图表
chart-ranges = 时间范围
range-1h = 1 小时
range-6h = 6 小时
range-24h = 24 小时
range-7d = 7 天
range-30d = 30 天
chart-cpu = 处理器，%
chart-load = 负载
chart-temperature = 温度，°C
chart-disk = 最满的存储卡，%
chart-speed = 速度，km/h
chart-span = { $least } 到 { $most }
chart-last = 最近 { $last }
chart-scale = 刻度 { $bottom } 到 { $top }
chart-empty = 此时间范围内没有数据。
chart-zoom = 在图表上拖动可以放大。
chart-back = 完整范围

## 最近上报
report-made = 上报时间
report-received = 接收时间
report-cpu = 处理器
report-load = 负载
report-temperature = 温度
report-disk = 存储
report-used = 已用 { $mb } MB
report-free = 可用 { $mb } MB
report-of = 共 { $mb } MB
report-speed = 速度
report-weather = 天气
report-place = 位置
report-processes = 进程
report-extra = 其他内容
report-raw = 完整内容
report-none = 还没有上报。终端在线时每 30 秒上报一次。
place-at = 时间 { $at }
place-none = 终端没有报告位置。
map-in = 放大
map-out = 缩小
map-here = 最近位置

## 连接和断开的原因
cause-hello = 已连接
cause-enrolled = 已注册
cause-took_over = 同一标识的另一个连接接管
cause-closed = 主动断开
cause-lost = 连接中断
cause-silent = 长时间无响应
cause-fault = 违反协议规则
cause-revoked = 令牌被吊销
cause-server_ended = 服务器停止或重启

## 日志
log-none = 日志末尾没有此终端的内容。
log-far = 查看更早的内容
log-command = 更早的内容：<code>fleetward log show { $id }</code>
