# 出错时的提示。
error-title-400 = 无法读取请求
error-title-403 = 没有权限
error-title-404 = 未找到
error-title-409 = 与当前状态冲突
error-title-413 = 内容过大
error-title-422 = 提交的内容有误
error-title-429 = 请求过多
error-title-500 = 服务器出错
error-title-503 = 暂时不可用
error-title-other = 操作未成功
error-role = 您的角色不允许此操作。
error-role-ask = 以下管理员可以为您更改角色：
error-lost = 此页面不存在，或其内容已被删除。
error-fault = 这不是您的问题。服务器日志中有更多信息。
error-reference = 日志编号：<code>{ $id }</code>。
error-again = 请在 { $n } 秒后重试。
error-retry = 重试
