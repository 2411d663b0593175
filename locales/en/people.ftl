# People, their sessions and their second factor; the tokens of programs and terminals.
account-title = Your account
account-who = Signed in as <bdi>{ $name }</bdi>, { $role }.
account-sessions = Where you are signed in
account-end-others = Sign out everywhere else
account-password = Change your password
account-password-ends = You stay signed in here, and are signed out everywhere else.

factor-title = Second factor
factor-why = With a code from an app on your phone beside the password, a stolen password alone opens nothing.
factor-is-on = The second factor is on.
factor-since = Since { $at }.
factor-codes-left = { $n ->
    [one] One recovery code is left.
   *[other] { $n } recovery codes are left.
}
factor-manage = Manage the second factor
factor-turn-on = Turn on the second factor
factor-turn-off = Turn off the second factor
factor-step-scan = Read this with an authenticator app, such as Aegis, Google Authenticator or 1Password.
factor-step-code = Type the code that the app shows, and your password.
factor-picture = QR code with the secret for the authenticator app
factor-by-hand = Or type this into the app:
factor-open-app = Open in an app on this device
factor-codes-once = Keep these recovery codes in a safe place: each signs you in once, without your phone. They are shown only this once.
factor-new-codes = Make new recovery codes
factor-new-codes-why = The ones before are void then.

sessions-title = Sessions
sessions-intro = Every browser in which somebody is signed in. What is ended here is signed out within seconds, open pages too.
sessions-user = User
sessions-browser = Browser
sessions-unknown = not known
sessions-address = Address
sessions-seen = Last seen
sessions-began = Since
sessions-here = (this one)
sessions-end = End
actions = Actions
set = Set

users-title = Users and tokens
users-people = People
users-name = Name
users-role = Role
users-role-of = Role of { $name }
users-since = Since
users-access = Access
users-you = (you)
users-sign-ins = { $n ->
    [one] signed in once
   *[other] signed in { $n } times
}
users-signed-out = signed out
users-sign-out = Sign out
users-factor = second factor
users-no-factor = password only
users-factor-reset = Take it away
users-new-password = New password
users-new-password-of = New password of { $name }
users-delete = Delete { $name }…
users-last-admin = Not done: this is the last admin. Make another one first.
users-add = Add a person
users-add-submit = Add
users-roles-help = Viewers see everything. Operators also upload packages and start updates. Admins also manage access and delete terminals.
users-api-token = API token { $name }
users-api-token-use = Programs send it as <code>Authorization: Bearer TOKEN</code>.

tokens-title = API tokens, for programs
tokens-none = None. A token lets a program, such as a build server, use the API.
tokens-made = Made
tokens-by = by <bdi>{ $name }</bdi>
tokens-until = Valid until
tokens-for-ever = it is revoked
tokens-state = State
tokens-revoked = revoked
tokens-expired = run out
tokens-revoke = Revoke
tokens-add = Create an API token
tokens-add-submit = Create
tokens-name = What it is for
tokens-name-example = build server
tokens-days = Valid for, days
tokens-days-help = Empty: until it is revoked.
enrolments-title = Enrolment tokens, for new terminals
enrolments-token = Token
enrolments-lets-in = Lets in
enrolments-left = { $n ->
    [one] 1 more terminal
   *[other] { $n } more terminals
}
enrolments-any = any number
enrolments-used-up = used up
enrolments-none = None. A terminal needs one for its first connection.
enrolments-add = Create an enrolment token

done-session_ended = The session has ended.
done-sessions_ended = The sessions have ended.
done-second_factor_on = The second factor is on. From now on signing in takes a code too.
done-second_factor_off = The second factor is off.
done-recovery_codes_made = There are new recovery codes; the ones before are void.
field-password = Please use 10 to 256 characters.
field-wrong_code = That code is wrong, or was used already. Please wait for the next one and try again.
