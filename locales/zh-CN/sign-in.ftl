# 登录入口。
login-title = 登录
login-empty = 目前还没有可登录的用户。请打开服务器启动时输出的初始设置链接。
login-name = 用户名
login-password = 密码
login-submit = 登录
