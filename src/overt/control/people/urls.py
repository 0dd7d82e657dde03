"""Addresses of `people`; those of django-allauth that are used stand here too, one by one."""

from __future__ import annotations

from allauth.account.views import LoginView, LogoutView
from django.urls import URLPattern, URLResolver, include, path

from overt.control.people import pages

own: list[URLPattern] = [
    path("account", pages.account, name="account"),
]
urlpatterns: list[URLPattern | URLResolver] = [
    path("sign-in", LoginView.as_view(), name="account_login"),
    path("sign-out", LogoutView.as_view(), name="account_logout"),
    path("", include((own, "people"))),
]
