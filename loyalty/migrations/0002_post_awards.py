"""PostgreSQL's one-call back end for a single award; SQLite needs none."""

from django.db import migrations

CREATE = """
CREATE FUNCTION loyalty_post_award(
    to_account bigint, new_points bigint, new_reference text, new_reason text,
    by_purchase bigint, by_actor bigint, happened_at timestamptz, lives_until date,
    explanation jsonb, posted_at timestamptz,
    OUT is_new boolean, OUT entry_id bigint, OUT number bigint, OUT total bigint
) LANGUAGE plpgsql AS $$
BEGIN
    SELECT false, e.id INTO is_new, entry_id FROM loyalty_pointsentry e
    WHERE e.account_id = to_account AND e.reference = new_reference;
    IF FOUND THEN
        RETURN;
    END IF;
    UPDATE loyalty_account SET balance = balance + new_points, version = version + 1
    WHERE id = to_account AND closed_at IS NULL AND debt = 0
    RETURNING version, balance INTO number, total;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    INSERT INTO loyalty_pointsentry (account_id, seq, kind, points, requested, balance_after,
        reference, purchase_id, reason, details, actor_id, occurred_at, recorded_at)
    VALUES (to_account, number, 'award', new_points, new_points, total,
        new_reference, by_purchase, new_reason, explanation, by_actor, happened_at, posted_at)
    ON CONFLICT (account_id, reference) DO NOTHING
    RETURNING id INTO entry_id;
    IF NOT FOUND THEN
        -- Somebody else posted this reference while we waited for the account.
        UPDATE loyalty_account SET balance = balance - new_points, version = version - 1
        WHERE id = to_account;
        RETURN;
    END IF;
    INSERT INTO loyalty_lot (account_id, entry_id, points, remaining, expires_on)
    VALUES (to_account, entry_id, new_points, new_points, lives_until);
    is_new := true;
END
$$
"""
DROP = (
    "DROP FUNCTION loyalty_post_award(bigint, bigint, text, text, bigint, bigint, timestamptz,"
    " date, jsonb, timestamptz)"
)
# Room on each page for the next version of a row, so that moving a balance touches no index.
LEAVE_ROOM = "ALTER TABLE loyalty_account SET (fillfactor = 70)"
FILL_UP = "ALTER TABLE loyalty_account RESET (fillfactor)"


def create(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(CREATE, params=None)
        schema_editor.execute(LEAVE_ROOM)


def drop(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(DROP, params=None)
        schema_editor.execute(FILL_UP)


class Migration(migrations.Migration):
    dependencies = [("loyalty", "0001_initial")]
    operations = [migrations.RunPython(create, drop)]
