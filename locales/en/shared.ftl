# What several pages say.

## Numbers of things
count-devices = { $n ->
    [one] 1 terminal
   *[other] { $n } terminals
}

## States of a terminal's module within an update
assignment-waiting = waiting
assignment-offered = offered
assignment-downloading = downloading
assignment-installing = installing
assignment-verifying = checking
assignment-verified = verified
assignment-declined = declined
assignment-failed = failed
assignment-reverted = went back
assignment-timed_out = timed out
assignment-cancelled = cancelled
assignment-superseded = replaced
assignment-excluded = left out

## States of an update
rollout-state-draft = draft
rollout-state-awaiting_approval = awaiting approval
rollout-state-scheduled = scheduled
rollout-state-running = running
rollout-state-paused = paused
rollout-state-completed = completed
rollout-state-cancelled = cancelled
rollout-state-rolled_back = rolled back

rollout-name = Update { $id }

## Why a terminal is left out, or said no
reason-not_newer = it runs this or a newer version
reason-same_version = it runs this version
reason-newer_already = it runs a newer version
reason-quarantined = it failed with this package before and is kept from it
reason-requirement_not_met = it lacks what the package requires
reason-set_incomplete = all or nothing, and it can't have another of the packages
reason-sets_not_supported = its program can't install several modules as one
reason-known_bad = it tried this version before and it did not work
reason-busy = it is busy
reason-no_space = it has no space
reason-incompatible = it does not fit this terminal
reason-bad_signature = the signature is not trusted

## Terminals
state-online = online
state-offline = offline
version-none = not there

## Roles
role-viewer = viewer
role-operator = operator
role-admin = admin

## Signatures
signature-here = signed by this server
signature-elsewhere = signed by <code>{ $key }</code>
signature-outdated = signed by <code>{ $key }</code>, trusted no more
signature-none = unsigned

## Lists and buttons
pager-label = Pages
pager-first = First page
pager-next = Next page
copy = Copy
copied = Copied
once-title = Copy this now: it is shown only this once.

## What is wrong with a field
field-required = Please fill this in.
field-number = Please give a whole number.
field-choose = Please choose at least one.
field-tag = Please write name=value.
field-tag_line = Please write one name=value a line.
field-stages = Please write shares such as 1%, 10%, 100%, or numbers of terminals such as 1, 10, 50.
field-time = Please give a date and a time.
field-taken = This name is taken; please choose another.
field-repeat = The two are not the same; please type them again.
field-wrong_password = That is not your password.
field-wrong_login = Name and password do not fit together. Please try again.
field-name = Please use 1 to 64 characters, without spaces at the ends.
field-other_bytes = This version exists already with other contents; please choose a new version.
field-again = Please choose the file again: a browser does not keep it.
field-status_line = Please write one process = pattern a line, or process != pattern.
field-range = That number is out of range.

## What was just done
done-saved = Saved.
done-password_changed = The password is changed.
done-device_deleted = The terminal and everything known of it are deleted.
done-device_token_revoked = The terminal’s token is revoked and its connection closed. To let it back in, allow it to enrol again.
done-enrolment_allowed = The terminal may enrol again with an enrolment token.
done-enrolment_disallowed = The terminal may no longer enrol again.
done-package_added = The package is uploaded.
done-package_added-next = <a class="alert-link" href="/rollouts/new">Start an update</a> to bring it to the terminals.
done-package_same = This very file was there already under this name and version; nothing changed.
done-package_deleted = The package is deleted.
done-rollout_started = The update has started. This page follows it.
done-rollout_paused = Paused. Nothing new is offered; what is under way goes on.
done-rollout_resumed = Resumed.
done-rollout_launched = The update is on its way.
done-rollout_approved = Agreed to. The update is on its way.
done-rollout_retried = What ended badly is tried again.
done-rollout_retried_none = Nothing could be tried again: a newer update has taken over, or the terminals are in quarantine.
done-rollout_rolled_back = Taken back. The way back is an update of its own, in the list of updates.
done-device_freed = Freed. The next update may include it again.
done-rollout_cancelled = Cancelled. Terminals that have the new version keep it.
done-user_added = The user is added and can sign in now.
done-user_deleted = The user is deleted and signed out everywhere.
done-group_saved = The group is saved.
done-group_deleted = The group is deleted; updates that were started for it go on.
done-token_revoked = The token is revoked.
