# One terminal.
device-since = since { $at }
device-update = Update this terminal
device-known = known since { $at }
device-modules = Modules
device-runs = Runs
device-should-run = Should run
device-why = Why
device-quarantine = In quarantine:
device-kept-from = <strong>{ $module } { $version }</strong> failed { $n ->
    [one] once
   *[other] { $n } times
}, last in <a href="/rollouts/{ $id }">update { $id }</a>
device-quarantine-about = It is not offered these packages again; a newer version is a new chance.
device-free = Free it
device-no-modules = The terminal has told no modules. The agent names them by <code>--module app1=DIR</code>.
device-charts = Over time
device-report = Last report
device-place = Place
device-assignments = Updates
device-no-assignments = No update has included this terminal yet.
device-steps = steps
device-changes = Version history
device-no-changes = No version was told yet.
device-from = From
device-to = To
device-when = When
device-connections = Connections
device-no-connections = It has not connected since connections are written down.
device-log = Status log
device-edit = Name and tags
device-name = Name
device-tags = Tags, one name=value a line
device-save = Save
device-access = Access
device-allow = Let it enrol again
device-allow-about = For a terminal that lost its token or was replaced. The token it has stays valid until then.
device-disallow = Do not let it enrol again
device-disallow-about = An enrolment token for this id works once now; the terminal then has a new token of its own.
device-revoke = Revoke its token…
device-revoke-about = Its connection is closed and it can’t come back with the token it has.
device-delete = Delete…
device-delete-about = Removes the terminal with its reports and history.

## Charts
chart-ranges = Span
range-1h = 1 hour
range-6h = 6 hours
range-24h = 24 hours
range-7d = 7 days
range-30d = 30 days
chart-cpu = Processor, %
chart-load = Load
chart-temperature = Temperature, °C
chart-disk = Fullest card, %
chart-speed = Speed, km/h
chart-span = { $least } to { $most }
chart-last = last { $last }
chart-scale = scale { $bottom } to { $top }
chart-empty = No numbers in this span.
chart-zoom = Drag over a chart to look closer.
chart-back = The whole span

## The last report
report-made = Reported
report-received = Received
report-cpu = Processor
report-load = Load
report-temperature = Temperature
report-disk = Storage
report-used = { $mb } MB used
report-free = { $mb } MB free
report-of = of { $mb } MB
report-speed = Speed
report-weather = Weather
report-place = Place
report-processes = Processes
report-extra = What else it sent
report-raw = All of it
report-none = No report yet. One comes every 30 seconds while the terminal is connected.
place-at = at { $at }
place-none = It has not said where it is.
map-in = Zoom in
map-out = Zoom out
map-here = Last place

## Why it came or went
cause-hello = said hello
cause-enrolled = enrolled
cause-took_over = another connection under its name took over
cause-closed = closed the connection
cause-lost = the connection broke
cause-silent = was not heard of for too long
cause-fault = broke a rule of the protocol
cause-revoked = its token was revoked
cause-server_ended = the server ended or was restarted

## The log
log-none = Nothing of this terminal is at the end of the log.
log-far = Look further back
log-command = Older lines: <code>fleetward log show { $id }</code>
