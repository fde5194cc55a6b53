# Of the API key that a run of random requests signs in with.
OWN_KEY_ID = 987_654_321
# The environment variable that says where the errors of such a run are written, as a list of texts.
ERRORS_FILE = "SCHEMATHESIS_ERRORS_FILE"
