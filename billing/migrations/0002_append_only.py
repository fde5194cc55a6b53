"""The database itself refuses to change or remove entries of the ledger."""

from django.db import migrations

CREATE = """
CREATE FUNCTION billing_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'The ledger is append-only: correct an entry by another one.' USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER ledger_rows_stay BEFORE UPDATE OR DELETE ON billing_ledgerentry
    FOR EACH ROW EXECUTE FUNCTION billing_refuse_change();
CREATE TRIGGER ledger_is_never_emptied BEFORE TRUNCATE ON billing_ledgerentry
    FOR EACH STATEMENT EXECUTE FUNCTION billing_refuse_change();
"""
DROP = """
DROP TRIGGER ledger_is_never_emptied ON billing_ledgerentry;
DROP TRIGGER ledger_rows_stay ON billing_ledgerentry;
DROP FUNCTION billing_refuse_change();
"""


class Migration(migrations.Migration):
    dependencies = [("billing", "0001_initial")]

    operations = [migrations.RunSQL(CREATE, DROP)]
