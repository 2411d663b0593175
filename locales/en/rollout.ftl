# The page of one update, and what its pages share.
rollout-before = (before: { $version })
rollout-for = for
rollout-started = Started { $at } by <bdi>{ $name }</bdi>
rollout-approved-by = agreed to by <bdi>{ $name }</bdi>
rollout-lower-allowed = a lower version is allowed
rollout-takes-back = the way back of <a href="/rollouts/{ $id }">update { $id }</a>
rollout-way-back = taken back by <a href="/rollouts/{ $id }">update { $id }</a>
rollout-progress = Progress
rollout-ended = ended { $at }
rollout-course = { $verified } verified and { $failed } failed over time
rollout-course-span = { $from } to { $to }, up to { $most }:
rollout-only-label = Only terminals with a module that is
rollout-only-all = all
rollout-none-in-state = No terminal is in this state now.
rollout-show-all = Show all
rollout-no-device = No terminal is part of this update.
transfer-left = { $time } left

target-all = all terminals
target-all-later = all terminals, and those that join later
target-tags = terminals with <bdi class="text">{ $tags }</bdi>
target-filter = terminals that fit <code class="text">{ $filter }</code>
target-fixed = (those that fit at the start, and none later)
target-devices = { $n ->
    [one] 1 named terminal
   *[other] { $n } named terminals
}

stage-number = Stage { $n }
stage-done = done
stage-open = open
stage-ahead = not yet

outcome-title = What was planned, and what came of it
outcome-planned = Planned
outcome-so-far = So far
outcome-devices = Terminals
outcome-offline = ({ $n } were offline)
outcome-modules = Modules to change
outcome-verified = { $n } verified
outcome-badly = Ended badly
outcome-open = Still open
outcome-bytes = To be sent

act-launch = Launch
act-launch-help = It is a draft: nothing has been offered yet.
act-approve = Agree
act-approve-help = A second person must agree before anything is offered; not <bdi>{ $name }</bdi>.
act-pause = Pause
act-pause-help = Nothing new is offered; what is under way goes on.
act-resume = Resume
act-resume-help = Goes on where it stopped; failures so far are forgiven.
act-retry = Try again
act-retry-help = { $n ->
        [one] 1 module that ended badly gets
       *[other] { $n } modules that ended badly get
    } another turn, with all tries.
act-rollback = Roll back…
act-rollback-help = Ends it, and brings terminals back to the version they ran before.
act-cancel = Cancel…
act-cancel-help = Ends it; terminals that have the new version keep it.

column-name = name
column-state = state
column-module-version = { $module } version
column-module-state = { $module } state
column-device = Terminal
column-module = Module
column-runs = Runs
column-why = Why
column-stage = Stage
column-changes = Changes
list-first = The first { $n } of { $of }.

policy-title = How carefully
policy-counts-after = Counts after
policy-counts-after-s = { $n ->
        [one] 1 second
       *[other] { $n } seconds
    } of running well
policy-at-once = At once
policy-at-once-n = at most { $n ->
        [one] 1 module update
       *[other] { $n } module updates
    }
policy-pauses = Pauses itself
policy-pauses-count = after { $n ->
        [one] 1 failure
       *[other] { $n } failures
    }
policy-pauses-share = when more than { $percent } % go wrong
policy-pauses-either = after { $n ->
        [one] 1 failure
       *[other] { $n } failures
    }, or when more than { $percent } % go wrong
policy-pauses-never = never
policy-pauses-kind = at { $n } × { $state }
policy-well = Well means
policy-well-runs = running it
policy-windows = Only in
policy-windows-own = each terminal’s own time
policy-only-when = Only when
policy-starts = A minute
policy-starts-n = at most { $n ->
        [one] 1 start
       *[other] { $n } starts
    }
policy-priority = Priority
policy-tries = Tries
policy-not-before = Not before
policy-rate = To each terminal

path-label = Steps
path-packages = Versions
path-target = Terminals
path-policy = How carefully
path-plan = Plan and confirm

plan-title = Plan
plan-devices = Terminals that change
plan-offline = ({ $n } of them offline now: they get it when they come back)
plan-bytes = To be sent
plan-stages = Stages
plan-lower = To a lower version
plan-lower-n = { $n ->
        [one] 1 terminal goes
       *[other] { $n } terminals go
    } to a lower version, because you allowed it
plan-lower-mark = lower
plan-nothing = No terminal would change now.
plan-nothing-why = Below is why each one is left out.
plan-nothing-fits = No terminal fits what you chose.
plan-nothing-later = Terminals that join later would still get it.
plan-start = Update { $n ->
        [one] 1 terminal
       *[other] { $n } terminals
    }
plan-start-none = Nothing to update
plan-draft = Keep as a draft
plan-back = Back
plan-changes = Who changes
plan-exclusions = Who is left out
plan-allow-lower = (go back and allow a lower version to change this)

## Maintenance windows
window-hours = { $from } to { $to }
day-mon = Mon
day-tue = Tue
day-wed = Wed
day-thu = Thu
day-fri = Fri
day-sat = Sat
day-sun = Sun
