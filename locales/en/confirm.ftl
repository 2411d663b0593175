# The question before what can’t be undone.
confirm-title = Are you sure?
confirm-device = Delete the terminal <bdi class="text">{ $name }</bdi>?
confirm-device_token = Revoke the token of <bdi class="text">{ $name }</bdi>?
confirm-user = Delete the user <bdi class="text">{ $name }</bdi>?
confirm-package = Delete the package <bdi class="text">{ $name }</bdi>?
confirm-rollout_cancel = Cancel update <bdi>{ $name }</bdi>?
confirm-rollout_rollback = Roll update <bdi>{ $name }</bdi> back?

confirm-means-device = Its reports, history and updates are deleted with it, and its connection is closed. This can’t be undone. The terminal can come back as a new one with an enrolment token.
confirm-means-device_token = Its connection is closed, and it can’t come back with the token it has.
confirm-means-user = They are signed out everywhere and can’t sign in any more.
confirm-means-package = Its file is deleted. Terminals that run it keep it.
confirm-means-rollout_cancel = What waits is not offered any more, and downloads under way are stopped. Terminals that have the new version keep it. A cancelled update can’t be taken up again.
confirm-means-rollout_rollback = The update ends here, and every terminal that has what it brought goes back to the version it ran before, where that package is still here. The way back begins at once, everywhere, and is an update that you can watch. Modules that were new to a terminal stay.

confirm-yes-device = Delete
confirm-yes-device_token = Revoke
confirm-yes-user = Delete
confirm-yes-package = Delete
confirm-yes-rollout_cancel = Cancel the update
confirm-yes-rollout_rollback = Roll it back
confirm-no-device = No, go back
confirm-no-device_token = No, go back
confirm-no-user = No, go back
confirm-no-package = No, go back
confirm-no-rollout_cancel = Keep it
confirm-no-rollout_rollback = Leave it
