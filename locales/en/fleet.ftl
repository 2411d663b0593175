# The fleet table.
fleet-title = Terminals
fleet-add = Add a terminal
fleet-add-first = Add the first terminal
fleet-empty = No terminal has connected yet.
fleet-ask-admin = Ask an admin to add one.
fleet-q = Name or id
fleet-state = State
fleet-state-any = online and offline
fleet-tag = Tag
fleet-module = Module
fleet-any = any
fleet-version = Version
fleet-attention = Needs attention
fleet-filter = Filter
fleet-reading = Read as <code class="text">{ $reading }</code>
fleet-builder = Build a filter
fleet-builder-field = What
fleet-builder-how = How
fleet-builder-value = value
fleet-builder-location = Location
fleet-builder-report = A field of the report
fleet-builder-report-name = The field, such as battery
fleet-builder-place-help = A location: latitude, longitude, kilometres around it, such as 31.23, 121.47, 10; or the latitude and longitude of three corners or more.
fleet-builder-add = Add to the filter
fleet-module-named = Module { $name }
fleet-tag-named = Tag { $name }
how-is = is
how-is-not = is not
how-below = below
how-at-most = at most
how-above = above
how-at-least = at least
how-contains = contains
how-in = in a list or an area
how-none = is not there
how-some = is there
fleet-columns = Columns
fleet-columns-help = With none ticked the table has its usual columns. Find applies the choice.
fleet-find = Find
fleet-clear = Clear
fleet-views = Views
fleet-view-delete = Delete the view
fleet-view-delete-named = Delete the view { $name }
fleet-view-name = Name of the view
fleet-view-save = Save as a view
fleet-groups = Groups
fleet-group-delete = Delete the group
fleet-group-delete-named = Delete the group { $name }
fleet-group-name = Name of the group
fleet-group-save = Save as a group
fleet-name = name
fleet-matching = { $n } of { $total ->
    [one] 1 terminal
   *[other] { $total } terminals
}
fleet-more-modules = { $n ->
    [one] 1 more module
   *[other] { $n } more modules
} under Columns
fleet-column-version = { $module } version
fleet-column-state = { $module } state
fleet-tick = Tick { $name }
fleet-tick-all = Tick all on this page
fleet-tagging = Tags of many at once
fleet-tagging-scope = For
fleet-tagging-ticked = the ticked ones
fleet-tagging-matching = { $n ->
    [one] the 1 that matches
   *[other] all { $n } that match
}
fleet-tagging-set = set
fleet-tagging-remove = take away
fleet-tagging-elsewhere = Ticked, and not in the table above
fleet-tagging-do = Change tags
fleet-filter-broken = The filter cannot be read.
fleet-impossible = No module or version has such a name.
fleet-none = No terminal fits.
fleet-show-all = Show all terminals

## Headings and units
fleet-head-name = name
fleet-head-state = state
fleet-head-id = id
fleet-head-since = since
fleet-head-created = known since
fleet-head-last_report = last report
fleet-head-cpu = processor
fleet-head-load = load
fleet-head-temperature = temperature
fleet-head-disk = fullest card
fleet-head-speed = speed
unit-cpu = %
unit-load = { "" }
unit-temperature = °C
unit-disk = %
unit-speed = km/h

## What was just done
done-devices_tagged = The tags are changed.
done-devices_tagged_some = The tags are changed, but some terminals have 50 tags already and were left as they are.
done-view_saved = The view is saved.
done-view_deleted = The view is deleted.
