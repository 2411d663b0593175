# Groups: filters saved under a name.
groups-title = Groups
groups-what = A group is a filter under a name: who fits it belongs to it, now and later.
groups-column-name = Name
groups-column-filter = Filter
groups-column-devices = Fit now
groups-column-saved = Saved
groups-update = Update…
groups-delete = Delete the group { $name }
groups-empty = No group yet.
groups-add = Save a group
groups-save = Save
groups-save-help = Another filter under a name that exists takes the place of the old one.
groups-manage = All groups
