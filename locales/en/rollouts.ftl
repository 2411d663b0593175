# The list of updates.
rollouts-title = Updates
rollouts-new = New update
rollouts-column-update = Update
rollouts-column-state = State
rollouts-column-packages = Packages
rollouts-column-devices = Terminals
rollouts-column-progress = Progress
rollouts-column-started = Started
rollouts-tally = { $verified } of { $wanted } verified
rollouts-tally-failed = { $verified } of { $wanted } verified, { $failed } went wrong
rollouts-by = by <bdi>{ $name }</bdi>
rollouts-empty = No update yet. An update brings packages to terminals, in stages, and stops by itself when too many go wrong.
