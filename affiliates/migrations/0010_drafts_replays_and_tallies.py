import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('affiliates', '0004_more_append_only'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='PlanDraft',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('terms', models.JSONField(help_text='The columns of a version and its terms, as texts.')),
                ('saved_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('plan', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name='draft', to='affiliates.plan')),
                ('saved_by', models.ForeignKey(editable=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
        ),
        migrations.CreateModel(
            name='PlanReplay',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('since', models.DateTimeField()),
                ('until', models.DateTimeField()),
                ('state', models.CharField(choices=[('queued', 'Waits'), ('running', 'Runs'), ('done', 'Done'), ('cancelled', 'Stopped'), ('failed', 'Failed')], default='queued', max_length=9)),
                ('total', models.PositiveIntegerField(default=0)),
                ('done', models.PositiveIntegerField(default=0)),
                ('progress', models.JSONField(default=dict, editable=False)),
                ('result', models.JSONField(default=dict)),
                ('error', models.CharField(blank=True, max_length=300)),
                ('leased_until', models.DateTimeField(editable=False, null=True)),
                ('attempts', models.PositiveSmallIntegerField(default=0, editable=False)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('finished_at', models.DateTimeField(null=True)),
                ('terms', models.JSONField()),
                ('everybody', models.BooleanField(default=False)),
                ('created_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('plan', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='replays', to='affiliates.plan')),
            ],
            options={
                'verbose_name': 'plan replay',
                'indexes': [models.Index(condition=models.Q(('state__in', ['queued', 'running'])), fields=['id'], name='plan_replay_open')],
                'constraints': [models.CheckConstraint(condition=models.Q(('until__gt', models.F('since'))), name='plan_replay_has_days')],
            },
        ),
        migrations.CreateModel(
            name='Tally',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('day', models.DateField(help_text="The bill's, in its store's zone.")),
                ('currency', models.CharField(max_length=3)),
                ('net', models.DecimalField(decimal_places=4, default=0, max_digits=16)),
                ('orders', models.PositiveSmallIntegerField(default=0)),
                ('units', models.DecimalField(decimal_places=6, default=0, max_digits=18)),
                ('base', models.DecimalField(decimal_places=4, max_digits=12)),
                ('rate', models.DecimalField(decimal_places=4, max_digits=12)),
                ('amount', models.DecimalField(decimal_places=2, default=0, max_digits=14)),
                ('desired', models.DecimalField(decimal_places=2, default=0, max_digits=14)),
                ('held_until', models.DateTimeField()),
                ('conversion', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='tallies', to='affiliates.conversion')),
                ('enrolment', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='tallies', to='affiliates.enrolment')),
                ('plan_version', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='affiliates.planversion')),
            ],
            options={
                'verbose_name_plural': 'tallies',
                'indexes': [models.Index(fields=['enrolment', 'day'], name='tally_day')],
                'constraints': [models.UniqueConstraint(fields=('conversion', 'enrolment'), name='tally_once')],
            },
        ),
    ]
