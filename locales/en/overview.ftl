# The overview.
overview-title = Overview
overview-trouble = The server cannot do all of its work just now: <span class="text">{ $why }</span>
overview-warning = The database: <span class="text">{ $why }</span>
overview-empty = No terminals yet
overview-step-add-admin = <strong>Add a terminal.</strong> <a href="/enrol">Create an enrolment token</a>, then run the agent on the terminal:
overview-step-add = <strong>Add a terminal.</strong> Ask an admin for an enrolment token, then run the agent on the terminal:
overview-step-appears = It appears here as soon as it connects.
overview-step-upload = <strong>Upload a package.</strong> A package is one version of one module, a single file. <a href="/packages#upload">Upload the first one</a>.
overview-step-uploaded = <strong>Upload a package.</strong> Done: { $n ->
    [one] 1 package
   *[other] { $n } packages
}. <a href="/packages">See them</a>.
overview-step-update = <strong>Start an update.</strong> Once both are there, <a href="/rollouts/new">a new update</a> takes two presses.
overview-in-all = in all
overview-counted = counted at { $at }
overview-attention = Needs attention
overview-calm = All is well: no terminal and no update needs anybody.
overview-under-way = Updates under way
overview-none-under-way = None.
overview-none-under-way-start = None. <a href="/rollouts/new">Start an update</a> when a new version is there.
overview-modules = Who runs what
overview-column-module = Module
overview-column-current = Current version
overview-column-versions = Terminals on each version
overview-current = current
overview-more-versions = { $n ->
    [one] and 1 other version
   *[other] and { $n } other versions
} ({ $devices ->
    [one] 1 terminal
   *[other] { $devices } terminals
})
overview-nobody-has-it = no terminal has it
overview-no-modules = No terminal has told a module yet, and there is no package. <a href="/packages#upload">Upload a package</a>.
overview-day = The last 24 hours
overview-day-words = Between { $least } and { $most } online
overview-day-scale = 0 to { $top }, since { $from }
overview-day-empty = The course begins a few minutes after the server has started.
overview-activity = Lately
overview-activity-empty = Nothing has happened yet.
activity-rollout-begun = <a href="/rollouts/{ $id }">Update { $id }</a> was made by <bdi>{ $by }</bdi>: { $packages }
activity-rollout-ended = <a href="/rollouts/{ $id }">Update { $id }</a> ended: { $state } ({ $packages })
activity-package = Package <a href="/packages?module={ $module }">{ $module }</a> { $version } was uploaded by <bdi>{ $by }</bdi>
activity-device = connected for the first time

## Kinds of trouble, and what each means
attention-failed = update failed
attention-reverted = went back
attention-quarantined = in quarantine
attention-silent = silent
attention-hot = hot
attention-full_disk = disk full
attention-cloned = name used twice
attention-unsigned = unsigned software
attention-about-failed = The newest update of one of its modules failed or timed out
attention-about-reverted = The newest update of one of its modules went back to the version before
attention-about-quarantined = Kept from a package that failed on it again and again
attention-about-silent = Connected, and no report for some minutes
attention-about-hot = Connected, and its hottest sensor is above the limit
attention-about-full_disk = Its fullest card is above the limit
attention-about-cloned = Within the last day two terminals seemed to have its name
attention-about-unsigned = Runs a package that nobody signed
