# 总览。
overview-title = 总览
overview-trouble = 服务器目前无法完成全部工作：<span class="text">{ $why }</span>
overview-warning = 数据库：<span class="text">{ $why }</span>
overview-empty = 还没有终端
overview-step-add-admin = <strong>添加终端。</strong><a href="/enrol">创建注册令牌</a>，然后在终端上运行代理程序：
overview-step-add = <strong>添加终端。</strong>向管理员索取注册令牌，然后在终端上运行代理程序：
overview-step-appears = 终端连接后会立即出现在这里。
overview-step-upload = <strong>上传软件包。</strong>一个软件包是一个模块的一个版本，即一个文件。<a href="/packages#upload">上传第一个</a>。
overview-step-uploaded = <strong>上传软件包。</strong>已完成：共 { $n } 个软件包。<a href="/packages">查看</a>。
overview-step-update = <strong>开始升级。</strong>两者都就绪后，<a href="/rollouts/new">新建升级任务</a>只需两步。
overview-in-all = 总数
overview-counted = 统计时间 { $at }
overview-attention = 需要关注
overview-calm = 一切正常：没有终端或升级任务需要处理。
overview-under-way = 进行中的升级任务
overview-none-under-way = 无。
overview-none-under-way-start = 无。有新版本时可以<a href="/rollouts/new">新建升级任务</a>。
overview-modules = 版本分布
overview-column-module = 模块
overview-column-current = 当前版本
overview-column-versions = 各版本的终端数
overview-current = 当前
overview-more-versions = 另有 { $n } 个版本（{ $devices } 台终端）
overview-nobody-has-it = 没有终端安装
overview-no-modules = 还没有终端报告模块，也没有软件包。<a href="/packages#upload">上传软件包</a>。
overview-day = 最近 24 小时
overview-day-words = 在线数在 { $least } 到 { $most } 之间
overview-day-scale = 0 到 { $top }，自 { $from } 起
overview-day-empty = 服务器启动几分钟后开始记录。
overview-activity = 最近动态
overview-activity-empty = 还没有任何动态。
activity-rollout-begun = <bdi>{ $by }</bdi> 创建了<a href="/rollouts/{ $id }">升级任务 { $id }</a>：{ $packages }
activity-rollout-ended = <a href="/rollouts/{ $id }">升级任务 { $id }</a> 已结束：{ $state }（{ $packages }）
activity-package = <bdi>{ $by }</bdi> 上传了软件包 <a href="/packages?module={ $module }">{ $module }</a> { $version }
activity-device = 首次连接

## 问题种类及含义
attention-failed = 升级失败
attention-reverted = 已退回
attention-quarantined = 隔离中
attention-silent = 无上报
attention-hot = 温度过高
attention-full_disk = 存储将满
attention-cloned = 标识重复
attention-unsigned = 未签名软件
attention-about-failed = 某个模块最近一次升级失败或超时
attention-about-reverted = 某个模块最近一次升级后退回了之前的版本
attention-about-quarantined = 某个软件包多次失败，不再下发给它
attention-about-silent = 在线，但已有几分钟没有上报
attention-about-hot = 在线，且最热的传感器超过上限
attention-about-full_disk = 最满的存储卡超过上限
attention-about-cloned = 最近一天内似乎有两台终端使用同一标识
attention-about-unsigned = 正在运行无人签名的软件包
