# 每个页面共有的部分。
layout-skip = 跳到正文
layout-sections = 导航
layout-overview = 总览
layout-devices = 终端
layout-packages = 软件包
layout-rollouts = 升级任务
layout-settings = 设置
layout-signed-out = 您已退出登录，页面内容可能不是最新。
layout-sign-in-again = 重新登录
layout-theme = 切换主题
layout-theme-title = 浅色、深色或跟随系统。当前：{ $theme }
layout-sign-out = 退出登录
layout-language = 语言
layout-connection-lost = 实时连接已断开，页面内容可能不是最新的。正在重新连接…

theme-light = 浅色
theme-dark = 深色
theme-auto = 跟随系统

language-en = English
language-zh-CN = 简体中文
