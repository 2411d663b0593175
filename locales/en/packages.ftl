# Packages and their upload.
packages-title = Packages
packages-upload = Upload
packages-all = All modules
packages-in-use = { $name } { $version } is not deleted; it is still needed by the update named here. Cancel the update first, or let it end:
packages-current = Current version { $version }
packages-devices = { $n ->
    [one] 1 terminal has it
   *[other] { $n } terminals have it
}
packages-show = show
packages-column-version = Version
packages-column-used = In use by
packages-column-size = Size
packages-column-file = File
packages-column-signature = Signature
packages-column-notes = Notes
packages-column-uploaded = Uploaded
packages-column-actions = Actions
packages-current-mark = current
packages-unused = nobody
packages-needs = needs { $what }
packages-download = Download { $name } { $version }
packages-delete = Delete { $name } { $version }…
packages-older = Older versions
packages-none-of-module = Terminals run it, but there is no package of it yet.
packages-empty = No package yet. A package is one version of one module: a single file that terminals download and install.
packages-empty-upload = Upload the first one below.
packages-empty-viewer = An operator can upload one.
packages-upload-title = Upload a package

upload-name = Module
upload-version = Version
upload-notes = Notes
upload-more = Requirements and signature
upload-requires = What a terminal must have before
upload-requires-help = Versions of other modules, <code>from</code> which version of its own, and the tag <code>hardware</code>. Empty: nothing.
upload-file = File, at most { $size }
upload-drop = Or drop files here, several at once. A name such as <code>app1-1.3.0.tar.gz</code> fills module and version in.
upload-manifest = Signed manifest, where there is one
upload-remove = Remove from the list
upload-stop = Stop
upload-done = uploaded
upload-same = was there already
upload-matches = (checksum matches)
upload-mismatch = What arrived has another checksum than the file here. Delete the package and upload it again.
upload-lost = The connection was lost before the upload ended. What you typed is still here; press Upload to try again.
upload-stopped = Stopped. Nothing was uploaded.
upload-large = This file is larger than allowed.
upload-finished = All are uploaded. <a class="alert-link" href="/packages">Show the packages</a>
