# What the rest of the program says in English: the English message is how it is known, so it is of one line,
# and as the program says it.


## States within a sentence
sentence-state-draft = draft
sentence-state-awaiting-approval = awaiting_approval
sentence-state-scheduled = scheduled
sentence-state-running = running
sentence-state-paused = paused
sentence-state-completed = completed
sentence-state-cancelled = cancelled
sentence-state-rolled-back = rolled_back
sentence-state-waiting = waiting
sentence-state-offered = offered
sentence-state-downloading = downloading
sentence-state-installing = installing
sentence-state-verifying = verifying
sentence-state-verified = verified
sentence-state-declined = declined
sentence-state-failed = failed
sentence-state-reverted = reverted
sentence-state-timed-out = timed_out
sentence-state-superseded = superseded
sentence-because = ({ $why })

## Why an update stands still or ended
sentence-brake-count = { $failed } failed, and the limit is { $limit }
sentence-brake-share = { $failed } of { $ended } failed, and the limit is { $share } %
sentence-brake-stage = in stage { $stage }, { $failed } of { $ended } failed
sentence-brake-nobody = in stage { $stage }, no terminal was seen to run it well
sentence-brake-kind = { $n } are { $kind }, and the limit is { $limit }
sentence-paused-by = paused by { $name }
sentence-cancelled-by = cancelled by { $name }
sentence-taken-back-by = taken back by { $name }
sentence-no-word = no word while { $state }
sentence-too-slow = its bytes went out too slowly
sentence-lost-installing = it went away while it installed, and came back without it

## Why a terminal is not updating
sentence-why-up-to-date = It runs the version that it should.
sentence-why-no-rollout = No rollout includes it. Start one to change its version.
sentence-why-waits-for = All its modules change together or none does, and it waits for { $module }: { $why }
sentence-set-broken = all or nothing, and { $module }: { $why }
sentence-set-limit = all or nothing asks a device for { $packages } packages at once; { $limit } is too few
sentence-set-fleet-limit = the server lets { $limit } updates be under way at once, and these are { $packages }
sentence-taken-back-already = the rollout was taken back, or ended, a moment ago
sentence-part-ended = the { $part } has ended by a defect: restart the server
sentence-why-offline = It is offline. It is asked as soon as it comes back.
sentence-why-not-started = The rollout has not been started.
sentence-why-awaiting = The rollout waits for a second person to approve it.
sentence-why-scheduled = The rollout starts at { $at }.
sentence-why-scheduled-open = The rollout has not started yet.
sentence-why-paused = The rollout is paused{ $because }. Resume it to go on.
sentence-why-stage = It is in stage { $stage } of { $stages }, which opens when the stage before has been seen to run well.
sentence-why-in-flight = { $limit } updates are under way, which is the rollout's limit. It is next when one ends.
sentence-why-starts = { $limit } terminals were asked in the last minute, which is the rollout's limit.
sentence-why-fleet = { $limit } updates are under way in all rollouts, which is the server's limit. It is next when one ends.
sentence-why-condition = By its last report it does not meet the rollout's condition ({ $condition }). It is asked when a report does.
sentence-why-needs = The package { $unmet }. It is asked when the terminal has that.
sentence-why-window = It is outside its maintenance window. It is asked when that opens, at { $at }.
sentence-why-asked-for-time = It asked for time{ $because }. It is asked again at { $at }.
sentence-why-again = Try { $n } ended badly{ $because }. It is tried again at { $at }.
sentence-why-elsewhere = Another rollout is changing this module. It is next when that ends.
sentence-why-under-way = It is being updated now: { $state }.
sentence-why-declined = The terminal declined the package{ $because }.
sentence-why-failed = The terminal could not install it{ $because }. Retry it, or start a new rollout.
sentence-why-reverted = The terminal went back to the version before{ $because }.
sentence-why-timed-out = The terminal was not heard of in time{ $because }.
sentence-why-cancelled = The rollout was called off. Start a new one to change its version.
sentence-why-superseded = A newer rollout took over.
sentence-why-same = It ran this version when the rollout was planned.
sentence-why-quarantined = It failed with this package before, and is kept from it. Free it, or bring a newer version.
sentence-why-newer = It ran a newer version, and the rollout does not allow rollback. Allow rollback to go down.
sentence-why-left-out = It was left out when the rollout was planned{ $because }.
sentence-reason-same-version = same_version
sentence-reason-busy = busy
sentence-reason-no-space = no_space
sentence-reason-incompatible = incompatible
sentence-reason-known-bad = known_bad
sentence-reason-bad-signature = bad_signature
sentence-why-set = All its modules change together or none does, and it waits for { $module }: { $why }
sentence-reason-set = all or nothing, and { $module }: { $reason }
sentence-reason-sets-not-supported = sets_not_supported
sentence-attention = must be one of { $words }
sentence-needs = needs { $what }

## What cannot be done with an update
sentence-steer-gone = there is no such rollout, or it has ended
sentence-steer-state = the rollout is { $state }, so this can't be done
sentence-steer-second = a second person must agree: whoever asked for the rollout can't
sentence-steer-invalid = the rollout cannot be carried out as asked

## What is wrong with a field
sentence-range = must be { $low } to { $high }, not { $value }
sentence-range-null = must be { $low } to { $high }, or null for no limit
sentence-at-least-null = must be at least { $low }, or null for no limit
sentence-at-least-or-null = must be at least { $low }, or null
sentence-at-least = must be at least { $low }
sentence-above-null = must be above 0 and at most { $most }, or null for no limit
sentence-window-shorter = must be shorter than timeouts_s.verifying ({ $s } s)
sentence-stages-many = at most { $n } stages
sentence-stage-percent = stage { $n }: percent must be above 0 and at most 100, not { $p }
sentence-stage-count = stage { $n }: count must be at least 1
sentence-stage-grow = stage { $n }: stages must grow; this one is not larger than the one before
sentence-window-time = { $text } is no time of day; write it as 22:00
sentence-window-form = { $text }: write it as sat sun 22:00-05:00
sentence-window-day = { $word } is no day; write mon to sun
sentence-window-never = window { $n }: it never opens; to must differ from from (a whole day is 00:00 to 24:00)
sentence-rules-many = at most { $n } rules
sentence-rule = rule { $n }: { $what }
sentence-pattern-length = a pattern has 1 to { $n } bytes
sentence-pattern = { $pattern } is no regular expression: { $what }
sentence-requirement-range = { $part }: write a range as ">= 1.2, < 2"
sentence-requirement-form = { $part }: write it as app1 >= 1.2; from >= 1.0; hardware rev-b, rev-c
sentence-requirement-twice = { $word } is given twice; put its bounds behind each other: >= 1.2, < 2
sentence-requirement-itself = { $module } can't require itself: say what it must come from with "from"
sentence-requirement-many = at most { $n } of a kind
sentence-missing = is missing
sentence-twice = is given twice
sentence-unknown = is not known here
sentence-too-many-characters = must be at most { $n } characters
sentence-too-many-bytes = must be at most { $n } bytes
sentence-not-text = must be UTF-8 text
sentence-file-large = The file is larger than { $n } bytes.
sentence-disk-full = The server's disk has no room for this package.
sentence-part-large = A part of the form is too large.
sentence-form-unreadable = The form could not be read.
sentence-form-large = The form is too large.
sentence-other-bytes = { $name } exists with other bytes; give the new ones a new version.
sentence-in-use = Rollouts still use this package: { $ids }. Cancel them first, or let them end.
sentence-name-form = { $what } must be 1 to 64 of the characters A-Z a-z 0-9 . _ : - and not a mere dot or two, not { $found }
sentence-version-form = a version must be 1 to 64 of the characters A-Z a-z 0-9 . _ : + ~ -, not { $found }
sentence-what-module = a module name
sentence-what-device = a device_id
sentence-role-unknown = { $text } is not a role; use viewer, operator or admin
sentence-taken = is taken
sentence-not-your-password = is not your password
sentence-no-device = there is no device { $id }
sentence-no-group = there is no such group
sentence-one-device = device_ids must name at least one device
sentence-one-tag = tags must name at least one tag
sentence-printable = must be 1 to { $n } printable characters, without a space at either end
sentence-no-slash = must not hold a /
sentence-password-length = must be 10 to 256 characters
sentence-tags-many = must be at most { $n } tags
sentence-tag-name = the tag name { $name } must be 1 to 64 of the characters A-Z a-z 0-9 . _ : -
sentence-tag-value = the value of { $name } must be at most 190 printable characters
sentence-tags-nothing = nothing to set and nothing to remove
sentence-not-before = must be in the future; leave it out to start now
sentence-one-package = name at least one package
sentence-packages-many = at most { $n } packages
sentence-package-twice = { $module } is named twice; one version per module
sentence-filter-fits-none = no device fits this filter
sentence-tags-fit-none = no device has these tags
sentence-no-device-yet = there is no device yet
sentence-form-broken = The form can't be read: { $why }.

## What is wrong with a manifest
sentence-manifest-no-trust = this server has no trust document yet; make one with fleetward keys init
sentence-manifest-missing = is missing: this server takes only packages that were signed elsewhere
sentence-manifest-signature = bad_signature: no signature over it is of a key that is trusted for this
sentence-manifest-too-few = too_few_signatures: { $have } keys of { $need } that are needed have signed it
sentence-manifest-unreadable = bad_document: the document cannot be read: { $why }
sentence-manifest-weak-key = weak_key: a key is no Ed25519 key, or a weak one
sentence-manifest-other-module = mismatch: the manifest is for another module
sentence-manifest-other-version = mismatch: the manifest is for another version
sentence-manifest-other-file = mismatch: the manifest is for another file
sentence-manifest-epoch = wrong_epoch: it was signed in epoch { $found }; epoch { $trusted } is trusted
sentence-manifest-expired = trust_expired: the trust document has expired; the owner of the root key has to sign the next one

## Filters
sentence-filter-fault = at { $at }: expected { $expected }, found { $found }
sentence-filter-in-quotes = { $what }, in quotes if this word is meant
sentence-filter-end = the end
sentence-filter-and-or-end = `and`, `or` or the end
sentence-filter-and-or-close = `and`, `or` or `)`
sentence-filter-value = a value
sentence-filter-version = a version, 1 to 64 of the characters A-Z a-z 0-9 . _ : + -
sentence-filter-number = a number such as 80 or 12.5
sentence-filter-true = true or false
sentence-filter-text-signs = =, !=, ~ or in
sentence-filter-version-signs = =, !=, <, <=, >, >=, ~ or in
sentence-filter-number-signs = =, !=, <, <=, >, >= or in
sentence-filter-comma = `,` or `)`
sentence-filter-fields = id, name, online, offline, tag.NAME, module.NAME, cpu, load, temperature, disk, speed, location or report.FIELD
sentence-filter-place-signs = in, = none or != none
sentence-filter-area = circle(LATITUDE, LONGITUDE, KILOMETRES) or polygon(LATITUDE, LONGITUDE, ...)
sentence-filter-kilometres = kilometres, above 0 and at most 20016
sentence-filter-latitude = a latitude from -90 to 90
sentence-filter-longitude = a longitude from -180 to 180
sentence-filter-comma-longitude = `,` and the longitude
sentence-filter-comma-kilometres = `,` and the kilometres around it
sentence-filter-third-corner = `,` and another corner: a polygon has three or more
sentence-filter-last-corner = `)`, or `,` and another corner: at most { $most }
sentence-filter-word = a word, a sign or a text in quotes

## What is well
sentence-well-cpu = cpu at most { $n } %
sentence-well-load = load at most { $n }
sentence-well-temperature = temperature at most { $n } °C
sentence-well-disk = disk at most { $n } %
sentence-well-report = a report every { $n } s
sentence-well-status = the status of { $process } matches { $pattern }
sentence-well-status-not = the status of { $process } does not match { $pattern }
sentence-unwell = { $name } { $value }, the limit is { $limit }
sentence-unwell-silent = no report for { $silent } s, the limit is { $limit } s

## Whole pages
sentence-not-found-page = There is no such page.
sentence-not-found-update = There is no such update.
sentence-not-found-rollout = There is no such rollout.
sentence-not-found-terminal = There is no such terminal.
sentence-not-found-device = There is no such device.
sentence-not-found-package = There is no such package.
sentence-not-found-user = There is no such user.
sentence-not-found-token = There is no such token.
sentence-not-found-session = There is no such session.
sentence-not-found-group = There is no such group.
sentence-not-found-view = There is no such view.
sentence-cross-site = The request comes from a page of another site.
sentence-too-long-took = The body took longer than { $s } s.
sentence-body-large = The body is too large.
sentence-too-many-codes = Too many wrong codes; wait a while.
sentence-set-up = There is a user already; sign in instead.
sentence-too-many = Too many requests from this address; slow down.
sentence-too-many-tries = Too many tries to sign in; wait a while.
sentence-bad-form = The form is not of this session, or too old; load the page again.
sentence-fault = The server has a fault; its log says more.
sentence-database = The database is not available; try again in a moment.
sentence-last-admin = This is the last admin; make another one first.
sentence-name-taken = A user has this name already.
sentence-no-place = this list has no such place; start again without it
sentence-streams = Too many pages follow the fleet live just now.
