from django.apps import AppConfig
from django.contrib.admin.apps import SimpleAdminConfig
from django.db.models.signals import post_migrate


class StaffConfig(AppConfig):
    name = "staff"
    default = True

    def ready(self) -> None:
        from staff.roles import apply_roles

        # The last app: when its turn comes, the permissions of all others are there.
        post_migrate.connect(apply_roles, sender=self)


class StaffAdminConfig(SimpleAdminConfig):
    """Django's admin, on our own site."""

    default_site = "staff.site.StaffSite"

    def ready(self) -> None:
        super().ready()
        assert self.module is not None
        self.module.autodiscover()
