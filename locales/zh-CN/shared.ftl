# 多个页面共用的文字。

## 数量
count-devices = { $n } 台终端

## 升级任务中某终端某模块的状态
assignment-waiting = 等待中
assignment-offered = 已下发
assignment-downloading = 下载中
assignment-installing = 安装中
assignment-verifying = 验证中
assignment-verified = 已验证
assignment-declined = 已拒绝
assignment-failed = 失败
assignment-reverted = 已退回
assignment-timed_out = 超时
assignment-cancelled = 已取消
assignment-superseded = 已被取代
assignment-excluded = 不参与

## 升级任务的状态
rollout-state-draft = 草稿
rollout-state-awaiting_approval = 待审批
rollout-state-scheduled = 已排期
rollout-state-running = 进行中
rollout-state-paused = 已暂停
rollout-state-completed = 已完成
rollout-state-cancelled = 已取消
rollout-state-rolled_back = 已回滚

rollout-name = 升级任务 { $id }

## 终端不参与或拒绝的原因
reason-not_newer = 已运行该版本或更高版本
reason-same_version = 已运行该版本
reason-newer_already = 已运行更高版本
reason-quarantined = 曾因该软件包多次失败，已被隔离
reason-requirement_not_met = 不满足软件包的前置要求
reason-set_incomplete = 要求全有或全无，而其中另一个软件包无法安装
reason-sets_not_supported = 终端程序不支持将多个模块作为一组安装
reason-known_bad = 曾试装该版本但未成功
reason-busy = 终端正忙
reason-no_space = 存储空间不足
reason-incompatible = 与该终端不兼容
reason-bad_signature = 签名不受信任

## 终端
state-online = 在线
state-offline = 离线
version-none = 未安装

## 角色
role-viewer = 查看者
role-operator = 操作员
role-admin = 管理员

## 签名
signature-here = 由本服务器签名
signature-elsewhere = 由 <code>{ $key }</code> 签名
signature-outdated = 由 <code>{ $key }</code> 签名，该密钥已不再受信任
signature-none = 未签名

## 列表与按钮
pager-label = 分页
pager-first = 首页
pager-next = 下一页
copy = 复制
copied = 已复制
once-title = 请立即复制：此内容只显示这一次。

## 输入项的问题
field-required = 请填写此项。
field-number = 请输入整数。
field-choose = 请至少选择一项。
field-tag = 请填写“名称=值”。
field-tag_line = 请每行填写一个“名称=值”。
field-stages = 请填写比例（如 1%, 10%, 100%）或终端数量（如 1, 10, 50）。
field-time = 请填写日期和时间。
field-taken = 该名称已被使用，请换一个。
field-repeat = 两次输入不一致，请重新输入。
field-wrong_password = 密码不正确。
field-wrong_login = 用户名或密码不正确，请重试。
field-name = 请输入 1 到 64 个字符，首尾不能有空格。
field-other_bytes = 该版本已存在且内容不同，请换一个版本号。
field-again = 请重新选择文件：浏览器不会保留已选的文件。
field-status_line = 请每行填写一条“进程 = 表达式”或“进程 != 表达式”。
field-range = 数值超出允许范围。

## 刚刚完成的操作
done-saved = 已保存。
done-password_changed = 密码已修改。
done-device_deleted = 该终端及其全部数据已删除。
done-device_token_revoked = 该终端的令牌已吊销，连接已断开。如需让它重新接入，请允许它重新注册。
done-enrolment_allowed = 该终端可以凭注册令牌重新注册。
done-enrolment_disallowed = 该终端不能再重新注册。
done-package_added = 软件包已上传。
done-package_added-next = <a class="alert-link" href="/rollouts/new">新建升级任务</a>，将其下发到终端。
done-package_same = 该名称和版本下已有完全相同的文件，未做任何更改。
done-package_deleted = 软件包已删除。
done-rollout_started = 升级任务已开始，本页会实时显示进度。
done-rollout_paused = 已暂停。不再下发新的升级，正在进行的会继续完成。
done-rollout_resumed = 已继续。
done-rollout_launched = 升级任务已启动。
done-rollout_approved = 已批准，升级任务已启动。
done-rollout_retried = 正在重试未成功的升级。
done-rollout_retried_none = 没有可重试的升级：已有更新的升级任务接管，或终端处于隔离状态。
done-rollout_rolled_back = 已回滚。回滚本身也是一个升级任务，可在升级任务列表中查看。
done-device_freed = 已解除隔离，下次升级任务可以再次包含该终端。
done-rollout_cancelled = 已取消。已升级到新版本的终端保持不变。
done-user_added = 用户已添加，现在即可登录。
done-user_deleted = 用户已删除，并已在所有位置退出登录。
done-group_saved = 分组已保存。
done-group_deleted = 分组已删除，基于该分组启动的升级任务会继续进行。
done-token_revoked = 令牌已吊销。
