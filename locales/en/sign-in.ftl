# The way in.
login-title = Sign in
login-empty = Nobody can sign in yet. Open the setup link that the server printed when it started.
login-name = Name
login-password = Password
login-submit = Sign in
