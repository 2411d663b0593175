# 升级任务列表。
rollouts-title = 升级任务
rollouts-new = 新建升级任务
rollouts-column-update = 升级任务
rollouts-column-state = 状态
rollouts-column-packages = 软件包
rollouts-column-devices = 终端
rollouts-column-progress = 进度
rollouts-column-started = 开始时间
rollouts-tally = 已验证 { $verified } / { $wanted }
rollouts-tally-failed = 已验证 { $verified } / { $wanted }，{ $failed } 个出现问题
rollouts-by = 创建者 <bdi>{ $name }</bdi>
rollouts-empty = 还没有升级任务。升级任务会分阶段把软件包下发到终端，失败过多时会自动暂停。
