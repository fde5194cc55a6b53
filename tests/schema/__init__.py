# The ID of the API key that a run of random requests uses.
OWN_KEY_ID = 987_654_321
# The environment variable with the file for the errors of such a run, as a list of texts.
ERRORS_FILE = "SCHEMATHESIS_ERRORS_FILE"
