# The form of a new update.
new-title = New update
new-current = current { $version }
new-no-change = no change
new-newest = (newest)
new-on-devices = on { $n ->
        [one] 1 terminal
       *[other] { $n } terminals
    }
new-no-package = no package; <a href="/packages#upload">upload one</a>
new-allow-lower = Also go to a lower version where a terminal runs a higher one
new-all-or-nothing = All or nothing: on each terminal these packages take effect together, or none does
new-target-all = All { $n ->
        [one] 1 terminal
       *[other] { $n } terminals
    }, and those that join later
new-target-tags = Those with all of these tags
new-tags-label = Tags, one name=value a line
new-tags-help = One name=value a line.
new-tags-known = There are:
new-target-filter = Those that fit a filter
new-filter-label = Filter
new-filter-help = Fields: id, name, online, offline, tag.NAME, module.NAME, cpu, load, temperature, disk, speed, latitude, longitude, location, report.FIELD.
new-target-group = A saved group
new-group-label = Group
new-target-ids = These terminals, by device_id
new-ids-help = One a line, or with commas between.
new-static = With tags, a filter or a group: only terminals that fit when the update starts, none that come to fit later
new-count = Count
new-fitting = { $n ->
        [one] 1 terminal fits
       *[other] { $n } terminals fit
    } now
new-fitting-unknown = how many terminals fit what you chose
new-policy-usual = As usual: a few terminals first and the rest when these have run well for a while; it pauses by itself when too many go wrong. That fits most updates.
new-policy-change = Change how carefully
new-part-stages = Stages and speed
new-stages = Stages
new-stages-help = Each stage opens when the one before is verified. Empty: chosen by the number of terminals, one first when there are more than ten.
new-max-in-flight = Module updates under way at once, at most
new-starts = Starts a minute, at most
new-starts-help = Empty: as many as are let be under way
new-rate = Bytes a second to each terminal
new-rate-help = Empty: as fast as its link is
new-attempts = Tries for each terminal
new-priority = Priority, -100 to 100
new-priority-help = Which update goes first where several share a limit
new-part-brakes = When it pauses itself
new-max-failures = Pause after this many failures
new-max-failures-help = 0: never for this reason
new-max-share = Pause when this share of those that ended failed, %
new-max-share-help = 100: never for this reason
new-sample = Take the share from this many ended on
new-sample-help = A stage’s end counts always
new-max-failed = Pause at this many that failed to install
new-max-reverted = Pause at this many that went back
new-max-timed-out = Pause at this many that timed out
new-max-declined = Pause at this many that declined
new-kind-help = Empty: no limit of its own
new-part-when = When
new-not-before = Not before (UTC)
new-windows = Only at these hours
new-windows-help = In each terminal’s own time: its tag <code>timezone</code>, else its position, else UTC. One a line; days may be left out. Empty: at any time.
new-only-when = Only when a terminal is
new-only-when-help = A filter over its last report and all else that is known of it. Empty: always.
new-part-well = What counts as well
new-health-window = Seconds a terminal must run the new version well before it counts
new-max-silence = A report at least every so many seconds
new-max-silence-help = 0: not asked
new-max-temperature = Hottest sensor at most, °C
new-max-cpu = Processors at most, %
new-max-load = Load at most
new-max-disk = Fullest card at most, %
new-any-help = Empty: any
new-status = Status texts of processes
new-status-help = One a line: <code>process = pattern</code> must match, <code>process != pattern</code> must not. Patterns are regular expressions.
new-part-deadlines = Deadlines
new-timeout-offered = Seconds to answer an offer
new-timeout-downloading = Seconds to download
new-timeout-installing = Seconds to install
new-timeout-verifying = Seconds to come back running it
new-plan = Plan
new-plan-help = Shows what would change. Nothing is sent yet.
new-empty = There is no package to bring to the terminals yet.
