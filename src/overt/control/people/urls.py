"""Addresses of `people`; those of django-allauth that are used stand here too, one by one."""

from __future__ import annotations

from typing import Final

from allauth.account.views import AccountInactiveView, LogoutView, PasswordChangeView, ReauthenticateView
from allauth.mfa.base.views import AuthenticateView
from allauth.mfa.base.views import ReauthenticateView as CodeAgainView
from allauth.mfa.recovery_codes.views import GenerateRecoveryCodesView, ViewRecoveryCodesView
from allauth.mfa.totp.views import ActivateTOTPView, DeactivateTOTPView
from allauth.mfa.webauthn.views import (
    AddWebAuthnView,
    LoginWebAuthnView,
    ReauthenticateWebAuthnView,
    RemoveWebAuthnView,
)
from django.urls import URLPattern, URLResolver, include, path, reverse_lazy

from overt.control.people import account_pages, link_pages, people_pages, role_pages
from overt.control.people.directory import PROVIDER
from overt.control.people.sign_in_page import SignInView, from_directory, to_directory

own: list[URLPattern] = [
    path("account", account_pages.account, name="account"),
    path("account/sessions/<int:session>/end", account_pages.end_session, name="end-session"),
    path("account/sessions/end-others", account_pages.end_other_sessions, name="end-other-sessions"),
    path("account/tokens/add", account_pages.add_token, name="add-token"),
    path("account/tokens/<int:token>/end", account_pages.drop_token, name="end-token"),
    path("setup/<str:token>", link_pages.setup, name="setup"),
    path("invitation/<str:token>", link_pages.invitation, name="invitation"),
    path("people", people_pages.people, name="people"),
    path("people/add", people_pages.add, name="add-person"),
    path("people/<uuid:person>", people_pages.person, name="person"),
    path("people/<uuid:person>/change", people_pages.change, name="change-person"),
    path("people/<uuid:person>/appoint", people_pages.appoint, name="appoint"),
    path("people/<uuid:person>/roles/<int:appointment>/end", people_pages.withdraw, name="withdraw"),
    path("people/<uuid:person>/remove", people_pages.remove, name="remove-person"),
    path("people/<uuid:person>/restore", people_pages.restore, name="restore-person"),
    path("people/<uuid:person>/invite", people_pages.invite, name="invite-person"),
    path("people/<uuid:person>/forget-second-step", people_pages.forget, name="forget-second-factor"),
    path("people/roles", role_pages.roles, name="roles"),
    path("people/roles/add", role_pages.add_role, name="add-role"),
    path("people/roles/<int:role>", role_pages.role, name="role"),
    path("people/roles/<int:role>/delete", role_pages.delete_role, name="delete-role"),
    path("people/groups", role_pages.groups, name="groups"),
    path("people/groups/add", role_pages.add_group, name="add-group"),
    path("people/groups/<int:group>", role_pages.group, name="group"),
    path("people/groups/<int:group>/delete", role_pages.delete_group, name="delete-group"),
]

TO_DIRECTORY: Final = {"provider_id": PROVIDER}
library: list[URLPattern] = [
    path("sign-in", SignInView.as_view(), name="account_login"),
    path("sign-in/passkey", LoginWebAuthnView.as_view(), name="mfa_login_webauthn"),
    path("sign-in/second-step", AuthenticateView.as_view(), name="mfa_authenticate"),
    path("sign-in/ended", AccountInactiveView.as_view(), name="account_inactive"),
    path("sign-in/directory/go", to_directory, TO_DIRECTORY, name="openid_connect_login"),
    path("sign-in/directory/back", from_directory, TO_DIRECTORY, name="openid_connect_callback"),
    path("sign-out", LogoutView.as_view(), name="account_logout"),
    path("account/confirm/password", ReauthenticateView.as_view(), name="account_reauthenticate"),
    path("account/confirm/code", CodeAgainView.as_view(), name="mfa_reauthenticate"),
    path("account/confirm/passkey", ReauthenticateWebAuthnView.as_view(), name="mfa_reauthenticate_webauthn"),
    path(
        "account/password",
        PasswordChangeView.as_view(success_url=reverse_lazy("people:account")),
        name="account_change_password",
    ),
    path("account/password/none", account_pages.no_password, name="account_set_password"),
    path("account/second-step", account_pages.second_factor, name="mfa_index"),
    path("account/passkeys/add", AddWebAuthnView.as_view(), name="mfa_add_webauthn"),
    path(
        "account/passkeys/<int:pk>/remove",
        RemoveWebAuthnView.as_view(success_url=reverse_lazy("people:account")),
        name="mfa_remove_webauthn",
    ),
    path("account/app/add", ActivateTOTPView.as_view(), name="mfa_activate_totp"),
    path("account/app/remove", DeactivateTOTPView.as_view(), name="mfa_deactivate_totp"),
    path("account/recovery-codes", ViewRecoveryCodesView.as_view(), name="mfa_view_recovery_codes"),
    path("account/recovery-codes/new", GenerateRecoveryCodesView.as_view(), name="mfa_generate_recovery_codes"),
]
urlpatterns: list[URLPattern | URLResolver] = [*library, path("", include((own, "people")))]
