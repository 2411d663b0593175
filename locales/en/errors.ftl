# When something does not work.
error-title-400 = That can’t be read
error-title-403 = Not allowed
error-title-404 = Not found
error-title-409 = That does not fit
error-title-413 = That is too large
error-title-422 = Something is wrong with what was sent
error-title-429 = Too many requests
error-title-500 = The server has a fault
error-title-503 = Not available just now
error-title-other = That did not work
error-role = Your role does not allow this.
error-role-ask = These admins can give you another:
error-lost = There is no such page, or what it showed has been deleted.
error-fault = This is not your fault. The server’s log says more.
error-reference = The log has it as <code>{ $id }</code>.
error-again = { $n ->
    [one] Try again in a second.
   *[other] Try again in { $n } seconds.
}
error-retry = Try again
