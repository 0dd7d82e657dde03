"""Addresses of `estate`."""

from __future__ import annotations

from django.urls import URLPattern, path

from overt.control.estate import camera_pages, device_pages, import_pages, look_pages, register_pages, site_pages

app_name = "estate"
urlpatterns: list[URLPattern] = [
    path("cameras", register_pages.cameras, name="cameras"),
    path("cameras.csv", register_pages.cameras_csv, name="cameras-csv"),
    path("cameras/add", camera_pages.add, name="add-camera"),
    path("cameras/import", import_pages.upload, name="import"),
    path("cameras/import/template.csv", import_pages.template, name="import-template"),
    path("cameras/import/<uuid:file>", import_pages.shown, name="import-shown"),
    path("cameras/<uuid:camera>", camera_pages.camera, name="camera"),
    path("cameras/<uuid:camera>/change", camera_pages.change, name="change-camera"),
    path("cameras/<uuid:camera>/live", camera_pages.go_live, name="go-live"),
    path("cameras/<uuid:camera>/off", camera_pages.switch_off, name="switch-off"),
    path("cameras/<uuid:camera>/retire", camera_pages.retire, name="retire"),
    path("cameras/<uuid:camera>/device", device_pages.device, name="device"),
    path("cameras/<uuid:camera>/device/replace", device_pages.replace, name="replace-device"),
    path("cameras/<uuid:camera>/looks/<uuid:look>", look_pages.look, name="look"),
    path("cameras/<uuid:camera>/looks/<uuid:look>/<int:number>.mp4", look_pages.picture, name="look-picture"),
    path("sites", site_pages.sites, name="sites"),
    path("sites/add", site_pages.add, name="add-site"),
    path("sites/<int:site>/change", site_pages.change, name="change-site"),
]
