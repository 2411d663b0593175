# 添加终端。
enrol-title = 添加终端
enrol-open = 本服务器允许任何终端无需令牌接入。在终端上运行代理程序：
enrol-run = 在终端上运行以下命令；每台终端的 <code>--device-id</code> 各不相同。连接后会立即出现在下方。
enrol-about = 终端首次连接时出示注册令牌，随后获得自己的令牌。一个注册令牌可供多台终端使用。
enrol-uses = 可接入的终端数
enrol-uses-help = 留空：不限数量。
enrol-hours = 有效期（小时）
enrol-hours-help = 留空：直到被吊销。
enrol-create = 创建注册令牌
enrol-arrivals = 已接入
enrol-waiting = 自 { $since } 起等待终端连接。
enrol-look-again = 再看一次
enrol-to-devices = 查看终端
