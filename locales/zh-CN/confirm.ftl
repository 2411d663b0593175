# 无法撤销的操作前的确认。
confirm-title = 确定吗？
confirm-device = 删除终端 <bdi class="text">{ $name }</bdi>？
confirm-device_token = 吊销 <bdi class="text">{ $name }</bdi> 的令牌？
confirm-user = 删除用户 <bdi class="text">{ $name }</bdi>？
confirm-package = 删除软件包 <bdi class="text">{ $name }</bdi>？
confirm-rollout_cancel = 取消升级任务 <bdi>{ $name }</bdi>？
confirm-rollout_rollback = 回滚升级任务 <bdi>{ $name }</bdi>？

confirm-means-device = 其上报、历史与升级记录将一并删除，连接将被关闭。此操作无法撤销。该终端可凭注册令牌作为新终端重新加入。
confirm-means-device_token = 连接将被关闭，且无法再使用现有令牌连接。
confirm-means-user = 该用户将在所有位置退出登录，且无法再登录。
confirm-means-package = 软件包文件将被删除。正在运行该版本的终端不受影响。
confirm-means-rollout_cancel = 等待中的终端不再收到升级，进行中的下载将停止。已升级的终端保留新版本。取消后无法恢复。
confirm-means-rollout_rollback = 升级任务到此结束，已升级的终端将恢复到之前的版本（前提是对应的软件包仍在）。回滚立即在所有终端上开始，并作为一个可查看的升级任务进行。新增的模块会保留。

confirm-yes-device = 删除
confirm-yes-device_token = 吊销
confirm-yes-user = 删除
confirm-yes-package = 删除
confirm-yes-rollout_cancel = 取消升级任务
confirm-yes-rollout_rollback = 回滚
confirm-no-device = 不，返回
confirm-no-device_token = 不，返回
confirm-no-user = 不，返回
confirm-no-package = 不，返回
confirm-no-rollout_cancel = 保留
confirm-no-rollout_rollback = 不回滚
