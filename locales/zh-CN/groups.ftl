# 分组：以名称保存的筛选条件。
groups-title = 分组
groups-what = 分组是以名称保存的筛选条件：符合条件的终端（包括以后符合的）都属于该分组。
groups-column-name = 名称
groups-column-filter = 筛选条件
groups-column-devices = 目前符合
groups-column-saved = 保存时间
groups-update = 升级…
groups-delete = 删除分组 { $name }
groups-empty = 还没有分组。
groups-add = 新建分组
groups-save = 保存
groups-save-help = 若名称已存在，则替换原有的筛选条件。
groups-manage = 所有分组
